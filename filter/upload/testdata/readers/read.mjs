// Reads lines {id, type, body} and writes {id, reader: parts or an error}: what
// Node's readers of forms make of a body. Run by make multipart-readers.
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { createRequire } from 'node:module';

const load = createRequire(process.argv[2] + '/');
const busboy = load('busboy');
const { default: formidable } = await import(load.resolve('formidable').replace('/dist/index.cjs', '/src/index.js'));

function source(type, body) {
  const stream = Readable.from([body]);
  stream.headers = { 'content-type': type, 'content-length': String(body.length) };
  return stream;
}

const collect = (stream, done) => {
  const chunks = [];
  stream.on('data', (c) => chunks.push(Buffer.from(c)));
  stream.on('end', () => done(Buffer.concat(chunks).toString('base64')));
};

const withBusboy = (type, body) => new Promise((resolve) => {
  const parts = [];
  try {
    const b = busboy({ headers: { 'content-type': type }, defParamCharset: 'utf8', preservePath: true });
    b.on('file', (name, file, info) => { const i = parts.push([name, info.filename ?? null, '']) - 1; collect(file, (c) => { parts[i][2] = c; }); });
    b.on('field', (name, value) => parts.push([name, null, Buffer.from(value).toString('base64')]));
    b.on('error', (e) => resolve('error: ' + e.message));
    b.on('close', () => resolve(parts));
    source(type, body).pipe(b);
  } catch (e) { resolve('error: ' + e.message); }
});

const withFormidable = (type, body) => new Promise((resolve) => {
  const parts = [];
  try {
    const form = formidable({ allowEmptyFiles: true, minFileSize: 0 });
    form.onPart = (part) => { const i = parts.push([part.name, part.originalFilename ?? null, '']) - 1; collect(part, (c) => { parts[i][2] = c; }); };
    form.on('error', (e) => resolve('error: ' + e.message));
    form.on('end', () => resolve(parts));
    form.parse(source(type, body)).catch((e) => resolve('error: ' + e.message));
  } catch (e) { resolve('error: ' + e.message); }
});

const within = (p) => Promise.race([p, new Promise((r) => { setTimeout(() => r('error: no end'), 2000).unref(); })]);

for await (const line of createInterface({ input: process.stdin })) {
  const { id, type, body } = JSON.parse(line);
  const bytes = Buffer.from(body, 'base64');
  console.log(JSON.stringify({ id, busboy: await within(withBusboy(type, bytes)), formidable: await within(withFormidable(type, bytes)) }));
}
