// For a page of the tests: `interop.act` does what a test says, `interop.check` runs the vectors of one file.

import { Actor } from "./actor.js";
import { checkFile, FILES } from "./vectors.js";

const actor = new Actor();
const check = async (file: string) => checkFile(file, await (await fetch(`vectors/${file}.json`)).text());
const all = async () => Object.fromEntries(await Promise.all(FILES.map(async (file) => [file, await check(file)])));
Object.assign(globalThis, { interop: { act: actor.act.bind(actor), all } });
