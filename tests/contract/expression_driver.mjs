// Asks npm's @actions/expressions: JSON lines {expr, contexts, status} in, an answer for each out.
// It is copied beside the node_modules it is to ask. The package imports JSON files in a way that
// Node 20 refuses unless a loader adds the attribute.
import { register } from "node:module";
import { readFileSync } from "node:fs";

const loader = `export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);`;
register(`data:text/javascript,${encodeURIComponent(loader)}`);
const { Lexer, Parser, Evaluator, data } = await import("@actions/expressions");

function valueOf(plain) {
  if (plain === null) return new data.Null();
  switch (typeof plain) {
    case "boolean": return new data.BooleanData(plain);
    case "number": return new data.NumberData(plain);
    case "string": return new data.StringData(plain);
  }
  if (Array.isArray(plain)) return new data.Array(...plain.map(valueOf));
  const pairs = Object.keys(plain).map((key) => ({ key, value: valueOf(plain[key]) }));
  return new data.Dictionary(...pairs);
}

function plainOf(value) {
  const kind = data.Kind[value.kind];
  if (kind === "Number" && !Number.isFinite(value.value)) return { kind, value: `${value.value}` };
  return { kind, value: JSON.parse(JSON.stringify(value, data.replacer)) };
}

function functionsFor(status) {
  const arities = { always: [0, 0], cancelled: [0, 0], success: [0, 255], failure: [0, 255], hashfiles: [1, 255] };
  return Object.entries(arities).map(([name, [minArgs, maxArgs]]) => ({
    name, minArgs, maxArgs, call: () => new data.BooleanData(name === "always" || name === status),
  }));
}

function located(error, expr) {
  const place = error.pos ? `at position ${error.pos.column + 1} ` : "";
  return `${error.message}. Located ${place}within expression: ${expr}`;
}

function answer({ expr, contexts, status }) {
  if (expr.trim() === "") return { result: { kind: "Null", value: null } };
  let tokens, tree;
  try {
    tokens = new Lexer(expr).lex().tokens;
  } catch (error) {
    return { err: { kind: "lexing", value: error.message } };
  }
  const functions = functionsFor(status);
  try {
    tree = new Parser(tokens, Object.keys(contexts), functions).parse();
  } catch (error) {
    return { err: { kind: "parsing", value: located(error, expr) } };
  }
  try {
    const named = new Map(functions.map((each) => [each.name, each]));
    return { result: plainOf(new Evaluator(tree, valueOf(contexts), named).evaluate()) };
  } catch (error) {
    return { err: { kind: "evaluation", value: located(error, expr) } };
  }
}

const lines = readFileSync(0, "utf8").split("\n").filter((line) => line);
process.stdout.write(lines.map((line) => JSON.stringify(answer(JSON.parse(line))) + "\n").join(""));
