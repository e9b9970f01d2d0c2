"use strict";
// What a person does with the page, in Debian's Chromium: cases.js URL IMAGE_URL SAMPLE FOLDER
// A line of JSON a case: its name, why it failed, and the command lines that the page showed.
// CHROMIUM names the browser; SCREENSHOTS a folder for pictures of what was seen.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const {chromium} = require("playwright-core");

const [site, imageUrl, samplePath, folder] = process.argv.slice(2);
const sample = fs.readFileSync(samplePath);
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE_MS = 10_000;
const TEXT = {name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no image")};
const CANNED = {
  model: {name: "large", weights: "V2", precision: "float32", note: "a <i>large</i> one; `pull it` brings more"},
  predictions: [{class_id: 207, wnid: "n02099601", label: "golden retriever", probability: 0.93},
    {class_id: 208, label: "<b>Labrador</b>", probability: 0.00001}],
  image: {format: "jpeg", width: 500, height: 375, orientation: 6},
  timing_ms: {decode: 2, preprocess: 1, queue: 3, inference: 3, total: 10}, batch_size: 4, request_id: "r-1",
};

function picture(name) {
  return {name, mimeType: "image/jpeg", buffer: sample};
}

const problem = (status, code, detail, headers = {}) => ({
  status, headers: {"Content-Type": "application/problem+json", ...headers},
  body: JSON.stringify({type: "about:blank", title: "A title", status, code, detail, request_id: "r-2"}),
});

async function answered(page) {
  await page.locator("#result[aria-busy=false] .classes li").first().waitFor();
}

async function refused(page) {
  await page.locator("#result[aria-busy=false] .problem").first().waitFor();
}

// What a screen reader reads out of a place, and the focus in words.
const text = async (page, selector) => (await page.locator(selector).first().innerText()).replace(/\s+/g, " ").trim();
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.className
  || document.activeElement.tagName);

async function transferOf(page, names, urls = "") {
  const data = sample.toString("base64");
  return page.evaluateHandle(([data, names, urls]) => {
    const transfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    names.forEach((name) => transfer.items.add(new File([bytes], name, {type: "image/jpeg"})));
    if (urls)
      transfer.setData("text/uri-list", urls);
    return transfer;
  }, [data, names, urls]);
}

async function holdToRules(page) {
  await page.evaluate(axe);
  const {violations} = await page.evaluate(() => axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}));
  assert.deepEqual(violations.map(({id, nodes}) => [id, nodes.map(({html, any}) => [html, any.map((one) => one.message)])]), []);
}

async function fitsInto(page, width) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= width, `${wide} px wide on a screen of ${width}`);
}

async function photograph(page, name) {
  if (process.env.SCREENSHOTS)
    await page.screenshot({path: path.join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true});
}

async function seeAllStates(page, name, check) {
  await page.goto(site);
  await check("idle");
  await photograph(page, `${name}-idle`);
  await page.locator("#sample").click();
  await answered(page);
  await check("result");
  await photograph(page, `${name}-result`);
  await page.locator("#files").setInputFiles(TEXT);
  await refused(page);
  await check("problem");
  await photograph(page, `${name}-problem`);
  await page.locator("#files").setInputFiles([picture("a.jpg"), TEXT, picture("b.jpg")]);
  await page.locator("#summary:not(:empty)").waitFor();
  await check("many");
  await photograph(page, `${name}-many`);
}

const cases = {
  "the sample is classified": async ({page, shown}) => {
    await page.getByRole("button", {name: "Try the sample"}).click();
    await answered(page);
    assert.equal(await text(page, ".verdict"), "golf ball 66.53 %");
    assert.equal(await text(page, ".class-share"), "66.53 %");
    assert.equal(await text(page, ".class-wnid"), "n03445777");
    assert.equal(await page.locator(".classes li").count(), 5);
    assert.match(await text(page, ".note"), /^The embedded demo model: .*\.$/);
    assert.match(await text(page, ".facts"), /Image JPEG, 500 × 375 px Model demo · (\w+ · )?float32 Request \S+/);
    assert.match(await text(page, ".times"), /^Time on the server [\d.]+ ms .*Decode [\d.]+ ms.*Inference [\d.]+ ms/);
    const width = await page.locator(".class-bar i").first().evaluate((bar) =>
      bar.getBoundingClientRect().width / bar.parentElement.getBoundingClientRect().width);
    assert.ok(Math.abs(width - 0.6653) < 0.01, `the bar is ${width} of its width`);
    assert.equal(await page.locator(".frame img").evaluate((image) => image.decode().then(() => image.naturalWidth)), 500);
    assert.equal(await focused(page), "verdict");
    await shown();
  },

  "a file is chosen": async ({page, shown}) => {
    fs.writeFileSync(path.join(folder, "it's, my \"dog\".jpg"), sample);
    await page.locator("#files").setInputFiles(path.join(folder, "it's, my \"dog\".jpg"));
    await answered(page);
    assert.equal(await text(page, "figcaption"), "it's, my \"dog\".jpg");
    assert.equal(await page.getByRole("img", {name: "The picture: it's, my \"dog\".jpg"}).count(), 1);
    await shown();
    // Once more: the browser tells of no change where the same file is chosen twice.
    const again = page.waitForRequest("**/classify");
    await page.locator("#files").setInputFiles(path.join(folder, "it's, my \"dog\".jpg"));
    await again;
    await answered(page);
  },

  "a picture is dropped anywhere": async ({page}) => {
    const dataTransfer = await transferOf(page, ["dropped.jpg"]);
    await page.dispatchEvent("h1", "dragenter", {dataTransfer});
    assert.equal(await page.locator("html.is-dragging").count(), 1);
    const prevented = await page.evaluate((dataTransfer) => !document.body.dispatchEvent(
      new DragEvent("dragover", {dataTransfer, bubbles: true, cancelable: true})), dataTransfer);
    assert.ok(prevented, "the browser would open the picture in place of the page");
    await page.dispatchEvent("h1", "drop", {dataTransfer});
    await answered(page);
    assert.equal(await page.locator("html.is-dragging").count(), 0);
    assert.equal(await text(page, "figcaption"), "dropped.jpg");
  },

  "a link is dropped": async ({page}) => {
    const dataTransfer = await transferOf(page, [], `# a comment\r\n${imageUrl}`);
    await page.dispatchEvent("h1", "drop", {dataTransfer});
    await answered(page);
    assert.equal(await text(page, "figcaption"), imageUrl);
  },

  "a picture is pasted": async ({page, context}) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.evaluate(async () => {
      const canvas = document.createElement("canvas");
      const blob = await new Promise((done) => canvas.toBlob(done));
      await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
    });
    await page.keyboard.press("Control+V");
    await answered(page);
    assert.equal(await text(page, "figcaption"), "image.png");
    assert.equal(await text(page, "#command-note"), "The image was pasted: save it under that name first.");
    assert.match(await text(page, ".facts"), /PNG, 300 × 150 px/);
  },

  "an address is pasted, but not out of a field": async ({page, context}) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.evaluate((url) => navigator.clipboard.writeText(url), imageUrl);
    await page.locator("#url").focus();
    await page.keyboard.press("Control+V");
    assert.equal(await page.locator("#url").inputValue(), imageUrl);
    assert.ok(await page.locator("#result").isHidden());
    await page.locator("#url").fill("");
    await page.locator("#sample").focus();
    await page.keyboard.press("Control+V");
    await answered(page);
    assert.equal(await text(page, "figcaption"), imageUrl);
  },

  "an address is fetched by the server": async ({page, shown}) => {
    await page.getByRole("textbox", {name: "Image address"}).fill(`${imageUrl}?a=1&b={2}`);
    await page.keyboard.press("Enter");
    await answered(page);
    assert.match(await text(page, ".times-list"), /^Fetch [\d.]+ ms/);
    assert.equal(await page.locator(".frame img").count(), 0);
    assert.match(await text(page, ".frame"), /127\.0\.0\.1:\d+/);
    assert.equal(await focused(page), "verdict");
    await shown();
  },

  "an address that is none is told in its field": async ({page}) => {
    for (const [wrong, message] of [["", /Give the address/], ["dog", /no http or https/], ["ftp://a.example/b", /no http/]]) {
      await page.locator("#url").fill(wrong);
      await page.getByRole("button", {name: "Fetch"}).click();
      assert.match(await text(page, "#url-problem"), message);
      assert.equal(await page.locator("#url").getAttribute("aria-invalid"), "true");
      assert.equal(await focused(page), "url");
    }
    assert.ok(await page.locator("#result").isHidden());
    await page.locator("#url").press("h");
    assert.equal(await text(page, "#url-problem"), "");
    await page.keyboard.press("Enter");
    await page.locator("#url-problem:not(:empty)").waitFor();
    await page.locator("#sample").click();
    await answered(page);
    assert.equal(await text(page, "#url-problem"), "");
  },

  "a problem is told in place": async ({page, shown}) => {
    fs.writeFileSync(path.join(folder, "notes.txt"), "no image");
    await page.locator("#files").setInputFiles(path.join(folder, "notes.txt"));
    await refused(page);
    assert.equal(await text(page, ".problem .verdict"), "This kind of file cannot be classified");
    assert.match(await text(page, ".problem .small"), /^415 · unsupported_media_type · \S+$/);
    assert.match(await text(page, ".problem p"), /\.$/);
    assert.equal(await text(page, ".frame"), "This browser cannot show this file.");
    assert.ok(await page.locator(".problem-again").isHidden(), "another try would not help");
    assert.equal(await focused(page), "verdict");
    await shown();
  },

  "one broken image of several stops none": async ({page}) => {
    await page.locator("#files").setInputFiles([picture("a.jpg"), TEXT, picture("b.jpg")]);
    await page.locator("#summary:not(:empty)").waitFor();
    assert.equal(await text(page, "#summary"), "2 of 3 images classified");
    assert.equal(await focused(page), "summary");
    assert.deepEqual(await page.locator("figcaption").allInnerTexts(), ["a.jpg", "notes.txt", "b.jpg"]);
    assert.deepEqual(await page.locator(".card").evaluateAll((all) => all.map((card) => card.querySelectorAll(".problem").length)), [0, 1, 0]);
    assert.match(await text(page, "#command"), /^curl -F image=@a.jpg -F image=@notes.txt -F image=@b.jpg http:\S+$/);
  },

  "what the server says is text, never markup": async ({page}) => {
    await page.route("**/classify", (route) => route.fulfill({json: CANNED}));
    await page.locator("#sample").click();
    await answered(page);
    assert.equal(await page.locator(".class-label").nth(1).innerText(), "<b>Labrador</b>");
    assert.equal(await page.locator(".class-share").nth(1).innerText(), "< 0.01 %");
    assert.match(await text(page, ".facts"), /Turned as its EXIF orientation 6 says .*Batch 4 images ran together Request r-1/);
    assert.equal(await text(page, ".note"), "A <i>large</i> one; pull it brings more.");
    assert.equal(await text(page, ".note code"), "pull it");
    const bars = await page.locator(".times-bar i").evaluateAll((all) => all.map((bar) => bar.style.width));
    assert.deepEqual(bars, ["20%", "10%", "30%", "30%"]);
    assert.match(await text(page, ".times-list"), /Inference 3\.0 ms Other 1\.0 ms$/);
  },

  "settings ask again and keep the focus": async ({page}) => {
    await page.locator("#sample").click();
    await answered(page);
    await page.locator("#top-k").fill("3");
    await page.keyboard.press("Enter");
    await page.locator(".classes li").nth(3).waitFor({state: "detached"});
    assert.equal(await page.locator(".classes li").count(), 3);
    assert.equal(await focused(page), "top-k");
    assert.match(await text(page, "#command"), /classify\?top_k=3'$/);
    assert.match(await page.getByRole("status").innerText(), /^golf ball/);
    await page.locator("#top-k").fill("-7");
    await page.keyboard.press("Enter");
    await page.locator(".classes li").nth(1).waitFor({state: "detached"});
    assert.equal(await page.locator("#top-k").inputValue(), "1");
  },

  "a model is chosen where there are several": async ({page}) => {
    assert.equal(await page.locator("#model").isVisible(), false);
    await page.route("**/models", (route) => route.fulfill({json: {models: [
      {name: "demo", state: "ready", default: true, classes: 1000}, {name: "large", state: "ready", default: false, classes: 10},
      {name: "lost", state: "failed", default: false}]}}));
    await page.route("**/classify*", (route) => route.fulfill({json: CANNED}));
    await page.reload();
    const model = page.getByRole("combobox", {name: "Model"});
    await model.waitFor();
    assert.deepEqual(await model.locator("option").evaluateAll((all) => all.map((one) => [one.label, one.disabled])),
      [["demo", false], ["large", false], ["lost (failed to load)", true]]);
    await page.locator("#sample").click();
    await answered(page);
    assert.match(await text(page, "#command"), /\/classify$/);
    await page.locator("#top-k").fill("50");
    const asked = page.waitForRequest("**/classify?model=large&top_k=10"); // all that it has
    await model.selectOption("large");
    await asked;
    await answered(page);
    assert.match(await text(page, "#command"), /classify\?model=large&top_k=10'$/);
  },

  "a busy server is asked again when it says so": async ({page}) => {
    let count = 0;
    await page.route("**/classify", (route) => (count++ ? route.continue()
      : route.fulfill(problem(503, "overloaded", "more requests than it takes", {"Retry-After": "1"}))));
    await page.locator("#sample").click();
    await refused(page);
    assert.equal(await text(page, ".problem .verdict"), "The server is busy");
    assert.match(await text(page, ".problem-again"), /^Try now Trying again in 1 s$/);
    await answered(page);
    assert.equal(count, 2);
    assert.equal(await focused(page), "verdict");
  },

  "a retry leaves alone who has moved on": async ({page}) => {
    let count = 0;
    await page.route("**/classify", (route) => (count++ ? route.continue()
      : route.fulfill(problem(503, "model_not_ready", "demo is still loading", {"Retry-After": "1"}))));
    await page.locator("#sample").click();
    await refused(page);
    await page.locator("#url").focus();
    await answered(page);
    assert.equal(await focused(page), "url");
    assert.match(await page.getByRole("status").innerText(), /^golf ball/);
  },

  "no answer can be tried again": async ({page}) => {
    await page.route("**/classify", (route) => route.abort("connectionreset"));
    await page.locator("#sample").click();
    await refused(page);
    assert.equal(await text(page, ".problem .verdict"), "No answer from the server");
    await page.unroute("**/classify");
    await page.getByRole("button", {name: "Try again"}).click();
    await answered(page);
    assert.equal(await focused(page), "verdict");
  },

  "an answer of a proxy is not taken for ours": async ({page}) => {
    await page.route("**/classify", (route) => route.fulfill({status: 502, contentType: "text/html", body: "<h1>Bad</h1>"}));
    await page.locator("#sample").click();
    await refused(page);
    assert.match(await text(page, ".problem .verdict"), /^The answer was 502/);
    await page.unroute("**/classify");
    await page.route("**/classify", (route) => route.fulfill({status: 200, contentType: "text/html", body: "<h1>Sign in</h1>"}));
    await page.locator("#sample").click();
    await page.getByRole("heading", {name: "The answer could not be read"}).waitFor();
  },

  "a sample that does not come is told": async ({page}) => {
    await page.route("**/sample.jpg", (route) => route.abort());
    await page.locator("#sample").click();
    await page.locator("#sample-problem:not(:empty)").waitFor();
    assert.match(await page.getByRole("status").innerText(), /sample did not arrive/);
  },

  "the last question wins": async ({page}) => {
    let release;
    const held = new Promise((done) => { release = done; });
    let count = 0;
    await page.route("**/classify", async (route) => {
      if (count++ === 0)
        await held;
      await route.fulfill({json: CANNED}).catch(() => {}); // the first was aborted by then
    });
    await page.locator("#files").setInputFiles(picture("first.jpg"));
    await page.locator(".skeleton").waitFor();
    await page.locator("#files").setInputFiles(picture("second.jpg"));
    await answered(page);
    release();
    assert.equal(await text(page, "figcaption"), "second.jpg");
  },

  "the command is copied": async ({page, context}) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.locator("#sample").click();
    await answered(page);
    await page.getByRole("button", {name: "Copy"}).click();
    await page.getByRole("button", {name: "Copied"}).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.locator("#command").textContent());
    assert.equal(await page.getByRole("status").innerText(), "The command is copied");
  },

  "without a clipboard the command is selected": async ({page}) => {
    await page.evaluate(() => {
      Object.defineProperty(navigator, "clipboard", {value: undefined});
      document.execCommand = () => false;
    });
    await page.getByRole("button", {name: "Copy"}).click();
    await page.getByRole("button", {name: "Selected"}).waitFor();
    assert.equal(await page.evaluate(() => getSelection().toString()), await page.locator("#command").textContent());
  },

  "the keyboard is enough": async ({page}) => {
    const order = [];
    for (let i = 0; i < 9; i++) {
      await page.keyboard.press("Tab");
      order.push(await focused(page));
      const outline = await page.evaluate(() => {
        const place = document.activeElement.id === "files" ? document.querySelector(".drop") : document.activeElement;
        return getComputedStyle(place).outlineStyle;
      });
      assert.equal(outline, "solid", `${order.at(-1)} does not show its focus`);
      if (order.at(-1) === "sample")
        break;
    }
    assert.deepEqual(order, ["A", "A", "A", "files", "url", "BUTTON", "top-k", "sample"]);
    await page.keyboard.press("Enter");
    await answered(page);
    assert.equal(await focused(page), "verdict");
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "copy");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    assert.match(await text(page, "#answer"), /^\{ .*"predictions"/);
    const chooser = page.waitForEvent("filechooser");
    await page.locator("#files").focus();
    await page.keyboard.press("Enter");
    assert.ok((await chooser).isMultiple());
  },

  "a screen reader finds its way": async ({page}) => {
    await page.locator("#sample").click();
    await answered(page);
    const tree = await page.locator("body").ariaSnapshot();
    for (const line of ["banner:", "navigation \"Service\":", "main:", "heading \"What is in the picture?\" [level=1]",
      "region \"Choose an image\":", "button \"Choose images\"", "textbox \"Image address\"", "spinbutton \"Classes\"", "region \"Result\":",
      "'img \"The picture: sample.jpg\"'", "heading \"golf ball 66.53 %\" [level=2]", "listitem:",
      "region \"The same from a shell\":", "button \"Copy\"", "status"])
      assert.ok(tree.includes(`- ${line}`), `no ${line} in\n${tree}`);
  },

  "nothing but the page's own script and server is reached": async ({page}) => {
    const outcome = await page.evaluate(async (other) => {
      const seen = [];
      document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
      const attempt = async (name, action) => {
        try {
          await action();
          return `${name} went through`;
        } catch (error) {
          return name;
        }
      };
      const tried = [
        await attempt("fetch", () => fetch(other)),
        await attempt("markup", () => { document.body.innerHTML = "<p>other</p>"; }),
        await attempt("script", () => { document.body.append(Object.assign(document.createElement("script"), {text: "window.bad = 1"})); }),
        await attempt("image", () => new Promise((done, fail) => { Object.assign(new Image(), {onload: done, onerror: fail, src: other}); })),
      ];
      const style = Object.assign(document.createElement("style"), {textContent: "body { color: red }"});
      document.head.append(style);
      await new Promise((done) => setTimeout(done));
      return {tried, seen, bad: window.bad};
    }, imageUrl);
    assert.deepEqual(outcome.tried, ["fetch", "markup", "script", "image"]);
    assert.equal(outcome.bad, undefined);
    for (const directive of ["connect-src", "img-src", "style-src-elem"])
      assert.ok(outcome.seen.includes(directive), `${directive} held nothing back: ${outcome.seen}`);
    return {isNoisy: true};
  },

  "light holds to the accessibility rules": async ({page}) => {
    await page.emulateMedia({colorScheme: "light"});
    await seeAllStates(page, "light", () => holdToRules(page));
    const [red] = (await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).match(/\d+/g);
    assert.ok(red > 200);
  },

  "dark holds to the accessibility rules": async ({page}) => {
    await page.emulateMedia({colorScheme: "dark"});
    await seeAllStates(page, "dark", () => holdToRules(page));
    const [red] = (await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).match(/\d+/g);
    assert.ok(red < 60);
  },

  "320 pixels are enough": async ({page}) => {
    await page.setViewportSize({width: 320, height: 640});
    await seeAllStates(page, "narrow", () => fitsInto(page, 320));
  },

  "a phone is enough": async ({browser}) => {
    const context = await browser.newContext({viewport: {width: 390, height: 844}, hasTouch: true, isMobile: true, deviceScaleFactor: 2});
    const page = await context.newPage();
    await seeAllStates(page, "phone", () => fitsInto(page, 390));
    await context.close();
  },

  "nothing moves for who wants it still": async ({page}) => {
    await page.emulateMedia({reducedMotion: "reduce"});
    await page.route("**/classify", () => {}); // no answer ever
    await page.locator("#sample").click();
    await page.locator(".skeleton").waitFor();
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    await page.emulateMedia({reducedMotion: "no-preference"});
    assert.ok(await page.evaluate(() => document.getAnimations().length) > 0);
  },

  "without scripts the forms still ask": async ({browser}) => {
    const context = await browser.newContext({javaScriptEnabled: false});
    const page = await context.newPage();
    await page.goto(site);
    await page.locator("#files").setInputFiles(picture("plain.jpg"));
    await page.getByRole("button", {name: "Classify"}).click();
    await page.waitForURL("**/classify");
    assert.match(await page.locator("body").innerText(), /"label": ?"golf ball"/);
    await context.close();
  },
};

async function run(browser, name) {
  const context = await browser.newContext({viewport: {width: 1100, height: 800}});
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults = [];
  const commands = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(site) && !/^(blob|data):/.test(request.url()))
      faults.push(`a request to ${request.url()}`);
  });
  page.on("pageerror", (error) => faults.push(`an error that nobody caught: ${error.message}`));
  // The browser itself notes each answer of 400 and more, and each connection that breaks.
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !message.text().startsWith("Failed to load resource"))
      faults.push(`on the console: ${message.text()}`);
  });
  try {
    await page.goto(site);
    const shown = async () => commands.push({command: await page.locator("#command").textContent(),
      answer: await page.locator("#answer").textContent()});
    const told = await cases[name]({page, context, browser, shown});
    if (!told?.isNoisy)
      assert.deepEqual(faults, []);
    return {name, commands};
  } catch (error) {
    return {name, commands, failure: error.stack};
  } finally {
    await context.close();
  }
}

async function main() {
  const browser = await chromium.launch({executablePath: process.env.CHROMIUM, args: ["--no-sandbox"]});
  for (const name of Object.keys(cases))
    console.log(JSON.stringify(await run(browser, name)));
  await browser.close();
}

main();
