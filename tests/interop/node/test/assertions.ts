/** Assertions that run in Node and in browsers. */

import { BackupError } from "../src/index.js";

/** Compares plain JSON: members in any order, arrays in order. */
export function same(actual: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(actual, ordered), JSON.stringify(expected, ordered)];
  if (one !== other) throw new Error(`${one.slice(0, 2000)} instead of ${other.slice(0, 2000)}`);
}

function ordered(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The code of the error that an action ends with; null if it succeeds. */
export async function codeOf(action: () => unknown): Promise<string | null> {
  try {
    await action();
  } catch (error) {
    if (error instanceof BackupError) return error.code;
    throw error;
  }
  return null;
}

/** JSON with the names of the schema, `user_id`, as this package has them: `userId`. */
export function camelCase(value: any): any {
  if (Array.isArray(value)) return value.map(camelCase);
  if (typeof value !== "object" || value === null) return value;
  const renamed = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [renamed(name), camelCase(member)]));
}
