const fs = require("fs");
console.log("fact main input=" + process.env.INPUT_WORD);
fs.appendFileSync(process.env.GITHUB_OUTPUT, "made=from-main\n");
fs.appendFileSync(process.env.GITHUB_STATE, "held=kept\n");
