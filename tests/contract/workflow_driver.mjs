// One JSON object a line {name, text} -> {name, errors, jobs}: what GitHub's own reader makes of it.
import {createInterface} from "node:readline";
import {register} from "node:module";
// the package imports .json without saying so, which Node 20 and later refuse
register("data:text/javascript," + encodeURIComponent(`export async function load(url, ctx, next) {
  return next(url, url.endsWith(".json") ? {...ctx, importAttributes: {type: "json"}} : ctx);
}`));
const {parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter} =
  await import("@actions/workflow-parser");
for await (const line of createInterface({input: process.stdin})) {
  const {name, text} = JSON.parse(line);
  let errors = [], jobs = [];
  try {
    const read = parseWorkflow({name, content: text}, new NoOperationTraceWriter());
    errors = read.context.errors.getErrors().map(e => e.message);
    if (read.value) {
      const found = await convertWorkflowTemplate(read.context, read.value);
      errors = (found.errors ?? []).map(e => e.Message ?? e.message);
      jobs = errors.length ? [] : JSON.parse(JSON.stringify(found.jobs ?? []));
    }
  } catch (e) { errors = ["crash: " + e.message]; }
  console.log(JSON.stringify({name, errors, jobs}));
}
