// grade.mjs HOST HTTP_PORT HTTPS_PORT CSP: what two graders say, as one line of JSON.
//
// The first is the scanner of MDN's HTTP Observatory, run here against a host of this machine; the second is Google's
// CSP Evaluator, given the header as it was sent.
// The scanner asks ports 80 and 443, which a demo does not have: its connections to them go to the demo's.
import net from "node:net";
import { scan } from "@mdn/mdn-http-observatory";
import { CspEvaluator } from "csp_evaluator/dist/evaluator.js";
import { CspParser } from "csp_evaluator/dist/parser.js";

const [host, httpPort, httpsPort, csp] = process.argv.slice(2);
const ports = { 80: Number(httpPort), 443: Number(httpsPort) };
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (options && ports[options.port]) options.port = ports[options.port];
  return connect.apply(this, args);
};

const { scan: total, tests } = await scan(host);
const findings = new CspEvaluator(new CspParser(csp).csp).evaluate();
console.log(JSON.stringify({
  grade: total.grade,
  score: total.score,
  tests: Object.entries(tests).map(([name, t]) => ({ name, pass: t.pass, result: t.result, score: t.scoreModifier })),
  csp: findings.map((f) => ({ directive: f.directive, value: f.value ?? "", severity: f.severity, says: f.description })),
}));
