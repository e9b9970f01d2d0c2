'use strict';
// node run.js MODEL.onnx BATCH THREADS: reads a number of seconds a line, runs that long, prints the median
// milliseconds of a batch. The model has one input [n, 3, 224, 224] float32.
const ort = require('onnxruntime-node');
const readline = require('readline');

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function main([model, batch, threads]) {
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: Number(threads), interOpNumThreads: 1, graphOptimizationLevel: 'all',
  });
  const pixels = new Float32Array(batch * 3 * 224 * 224).map((_, i) => Math.sin(i * 12.9898) * 2);
  const input = { [session.inputNames[0]]: new ort.Tensor('float32', pixels, [Number(batch), 3, 224, 224]) };
  await session.run(input);
  console.log('ready');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const times = [];
    const end = performance.now() + Number(line) * 1000;
    do {
      const start = performance.now();
      await session.run(input);
      times.push(performance.now() - start);
    } while (performance.now() < end);
    console.log(median(times));
  }
}

main(process.argv.slice(2)).catch((error) => { console.error(error); process.exit(1); });
