console.log("fact post state=" + process.env.STATE_held);
