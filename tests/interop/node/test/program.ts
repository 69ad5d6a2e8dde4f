// check FOLDER             every vector; prints for each list of each file how many there are
// (nothing)                in: commands for the actor, one line of JSON each; out: a line of JSON for each

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Actor } from "./actor.js";
import { checkFile, FILES } from "./vectors.js";

const [command, folder = "."] = process.argv.slice(2);
if (command === "check") {
  const passed = FILES.map(async (file) => [file, await checkFile(file, readFileSync(join(folder, `${file}.json`), "utf8"))]);
  console.log(JSON.stringify(Object.fromEntries(await Promise.all(passed))));
} else {
  const actor = new Actor();
  for await (const line of createInterface(process.stdin)) console.log(JSON.stringify(await actor.act(JSON.parse(line))));
}
