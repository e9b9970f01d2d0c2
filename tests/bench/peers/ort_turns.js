'use strict';
// ONNX Runtime's side of a comparison: node ort_turns.js MODEL.onnx INPUTS.f32 BATCH THREADS
// Prints "ready VERSION CLASS,CLASS,...", then answers "run MS" as engine_turns does.
const fs = require('fs');
const readline = require('readline');
const ort = require('onnxruntime-node');

const IMAGE = 3 * 224 * 224;

// The first `count` images, from the start again where there are fewer.
function takeInputs(file, count) {
  const bytes = fs.readFileSync(file);
  const have = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const taken = new Float32Array(count * IMAGE);
  for (let i = 0; i < taken.length; i++) taken[i] = have[i % have.length];
  return taken;
}

function firstClasses(logits, count) {
  const classes = logits.length / count;
  return Array.from({ length: count }, (_, image) => {
    const own = logits.subarray(image * classes, (image + 1) * classes);
    return own.indexOf(Math.max(...own));
  });
}

async function main([model, inputs, batchText, threads]) {
  const batch = Number(batchText);
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: Number(threads),
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    // Its threads shall not spin through the others' turns.
    extra: { session: { force_spinning_stop: '1' } },
  });
  const feed = { [session.inputNames[0]]: new ort.Tensor('float32', takeInputs(inputs, batch), [batch, 3, 224, 224]) };
  const answer = await session.run(feed);
  const classes = firstClasses(answer[session.outputNames[0]].data, batch);
  console.log(`ready ${require('onnxruntime-node/package.json').version} ${classes.join(',')}`);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const wanted = Number(line.split(' ')[1]);
    const start = performance.now();
    let runs = 0;
    let took = 0;
    do {
      await session.run(feed);
      runs += 1;
      took = performance.now() - start;
    } while (took < wanted);
    console.log(`${runs} ${Math.round(took * 1000)}`);
  }
}

main(process.argv.slice(2)).catch((error) => { console.error(String(error)); process.exit(1); });
