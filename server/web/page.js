"use strict";
{
  const DEFAULT_TOP_K = 5;
  const MAX_TRIES = 6; // of one request that the server is too busy for
  const STAGES = [["fetch", "Fetch"], ["decode", "Decode"], ["preprocess", "Preprocess"],
    ["queue", "Queue"], ["inference", "Inference"]];
  // What a person can do something about, said for a person; the rest is told as the server says it.
  const HEADLINES = {
    address_not_allowed: "That address is not allowed",
    fetch_disabled: "This server does not fetch addresses",
    too_large: "The image is too large",
    too_many_images: "Too many images at once",
    unsupported_media_type: "This kind of file cannot be classified",
    not_decodable: "The image is broken",
    fetch_failed: "The address could not be reached",
    fetch_status: "The other server did not send the image",
    fetch_tls: "No trusted connection to that address",
    fetch_too_large: "The image at that address is too large",
    fetch_not_an_image: "There is no image at that address",
    fetch_timeout: "The other server was too slow",
    timeout: "It took too long",
    overloaded: "The server is busy",
    draining: "The server is shutting down",
    model_not_ready: "The model is not ready yet",
    internal: "The server made a mistake",
  };

  const by = (id) => document.getElementById(id);
  const page = document.documentElement;
  const result = by("result");
  const cards = by("cards");
  const summary = by("summary");

  // One thing was asked for last: what it was, the request under way, what is to be freed.
  let source = null;
  let abort = null;
  let retryTimer = 0;
  let previews = [];
  let models = [];

  // ---- Numbers and names as they are shown

  function share(probability) {
    if (probability > 0 && probability < 0.00005)
      return "< 0.01 %";
    return `${(100 * probability).toFixed(2)} %`;
  }

  function milliseconds(value) {
    return `${value.toFixed(value < 1 ? 2 : value < 100 ? 1 : 0)} ms`;
  }

  // The server's phrases begin small and end without a stop; a first word that is a name stays as it is.
  function sentence(text) {
    const whole = /^[a-z]+[ ,:]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
    return /[.!?]$/.test(whole) ? whole : `${whole}.`;
  }

  function shellWord(text) {
    return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  }

  // A file name where curl's -F takes , and ; for its own.
  function formFile(name) {
    const path = name === "-" ? "./-" : name;
    return /[",;\\]/.test(path) ? `"${path.replace(/["\\]/g, "\\$&")}"` : path;
  }

  // ---- The request: what is sent and the curl line come from the same parts

  function settings() {
    const query = [];
    const model = by("model").value;
    if (model && !models.find((one) => one.name === model)?.default)
      query.push(`model=${encodeURIComponent(model)}`);
    if (Number(by("top-k").value) !== DEFAULT_TOP_K)
      query.push(`top_k=${by("top-k").value}`);
    return query;
  }

  function address(path, query) {
    const url = new URL(path, location.href);
    url.search = query.join("&");
    url.hash = "";
    return url.href;
  }

  function requestOf(asked) {
    if (asked.url) {
      // : and / may stand in a query as they are, and are easier to read so.
      const url = encodeURIComponent(asked.url).replace(/%3A/g, ":").replace(/%2F/g, "/");
      const target = address("classify", [`url=${url}`, ...settings()]);
      return {target, init: {}, command: `curl ${shellWord(target)}`};
    }
    const target = address("classify", settings());
    const body = new FormData();
    for (const file of asked.files)
      body.append("image", file, file.name);
    const parts = asked.isSample
      ? `curl -s ${shellWord(address("sample.jpg", []))} | curl -F ${shellWord("image=@-;filename=sample.jpg")}`
      : ["curl", ...asked.files.map((file) => `-F ${shellWord(`image=@${formFile(file.name)}`)}`)].join(" ");
    return {target, init: {method: "POST", body}, command: `${parts} ${shellWord(target)}`};
  }

  // A problem as the server describes it (RFC 9457), or as near as can be told from outside.
  async function problemOf(response) {
    const wait = response.headers.get("Retry-After");
    const seconds = Number(wait) || Math.ceil((Date.parse(wait) - Date.now()) / 1000) || 0;
    const outside = {
      headline: `The answer was ${response.status} ${response.statusText}`.trim(),
      detail: "It did not come from the classifier itself: is there a proxy in between?",
    };
    let problem = outside;
    try {
      const said = await response.json();
      problem = said.code ? said : outside;
    } catch (error) {
      if (error.name === "AbortError")
        throw error;
    }
    return {...problem, status: response.status, retryAfter: response.status === 503 ? Math.max(seconds, 1) : 0};
  }

  async function send(request, signal) {
    let response;
    try {
      response = await fetch(request.target, {...request.init, signal, headers: {Accept: "application/json"}});
      if (response.ok)
        return {answer: await response.json()};
      return {problem: await problemOf(response)};
    } catch (error) {
      if (error.name === "AbortError")
        throw error;
      return {problem: response ? {
        headline: "The answer could not be read",
        detail: "What came back is not the classifier's JSON: is there a proxy in between?",
      } : {
        headline: "No answer from the server",
        detail: "The connection broke. The server may have stopped, the upload may be larger than it takes, "
          + "or the file has changed since it was chosen.",
        canRetry: true,
      }};
    }
  }

  // ---- Building what is seen

  function instance(id, texts = {}) {
    const content = by(id).content.cloneNode(true);
    for (const place of content.querySelectorAll("[data-put]"))
      place.textContent = texts[place.dataset.put] ?? "";
    return content;
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className)
      made.className = className;
    if (text !== undefined)
      made.textContent = text;
    return made;
  }

  // A text in which `commands` are set off as the server's texts do.
  function withCommands(text) {
    return text.split("`").map((part, index) => (index % 2 ? element("code", "", part) : part));
  }

  function forgetPreviews() {
    previews.forEach((url) => URL.revokeObjectURL(url));
    previews = [];
  }

  function showPreview(frame, file) {
    const url = URL.createObjectURL(file);
    previews.push(url);
    const picture = element("img");
    picture.alt = `The picture: ${file.name}`;
    picture.addEventListener("error", () => {
      picture.replaceWith(element("p", "", "This browser cannot show this file."));
    });
    picture.src = url;
    frame.replaceChildren(picture);
  }

  // The frame stays as it is when the same image is classified once more.
  function makeCard(asked, index) {
    const card = by("card-template").content.cloneNode(true).firstElementChild;
    const frame = card.querySelector(".frame");
    if (asked.url) {
      frame.append(element("p", "", `The server fetches it from ${new URL(asked.url).host}. `
        + "This page loads nothing from elsewhere, so it does not show it."));
    } else {
      showPreview(frame, asked.files[index]);
    }
    card.querySelector("figcaption").textContent = asked.url ?? asked.files[index].name;
    return card;
  }

  function showWaiting(card) {
    card.querySelector(".card-body").replaceChildren(instance("waiting-template"));
  }

  function fillTimes(body, times) {
    const bar = body.querySelector(".times-bar");
    const list = body.querySelector(".times-list");
    const known = STAGES.map(([key]) => times[key] ?? 0);
    const whole = Math.max(times.total ?? 0, known.reduce((sum, value) => sum + value, 0));
    STAGES.forEach(([key, name], index) => {
      if (!times[key])
        return;
      const part = element("i", `stage-${index}`);
      part.style.width = `${100 * times[key] / whole}%`;
      bar.append(part);
      const line = element("li");
      line.append(element("i", `stage-${index}`), `${name} ${milliseconds(times[key])}`);
      list.append(line);
    });
    const other = whole - known.reduce((sum, value) => sum + value, 0);
    if (other > 0.01 * whole) { // the hand-over from stage to stage, which is no stage's own
      const line = element("li");
      line.append(element("i", "stage-other"), `Other ${milliseconds(other)}`);
      list.append(line);
    }
  }

  function addFact(list, name, value, className) {
    if (value)
      list.append(element("dt", "", name), element("dd", className, value));
  }

  function makeClass(prediction, isFirst) {
    const row = instance("class-template", {
      label: prediction.label, wnid: prediction.wnid, share: share(prediction.probability),
    });
    row.querySelector(".class-bar i").style.width = `${100 * prediction.probability}%`;
    if (isFirst) {
      const verdict = element("h2", "verdict", prediction.label);
      verdict.tabIndex = -1;
      verdict.append(element("span", "unseen", share(prediction.probability)));
      row.querySelector(".class-label").replaceChildren(verdict);
    }
    return row;
  }

  function showFacts(card, answer, requestId) {
    const {model, image} = answer;
    const facts = card.querySelector(".facts");
    facts.replaceChildren();
    addFact(facts, "Image", `${image.format.toUpperCase()}, ${image.width} × ${image.height} px`);
    addFact(facts, "Turned", image.orientation > 1 ? `as its EXIF orientation ${image.orientation} says` : "");
    addFact(facts, "Model", [...new Set([model.name, model.weights, model.precision])].filter(Boolean).join(" · "));
    addFact(facts, "Batch", answer.batch_size > 1 ? `${answer.batch_size} images ran together` : "");
    addFact(facts, "Request", answer.request_id ?? requestId, "mono");
  }

  function showAnswer(card, answer, requestId) {
    const body = instance("answer-template", {
      total: answer.timing_ms ? milliseconds(answer.timing_ms.total) : "",
    });
    if (answer.model.note && card === cards.firstElementChild)
      body.querySelector(".note").append(...withCommands(sentence(answer.model.note)));
    body.querySelector(".classes").append(...answer.predictions.map((one, index) => makeClass(one, index === 0)));
    if (!answer.predictions.length)
      body.prepend(element("h2", "verdict", "No class is that probable"));
    fillTimes(body, answer.timing_ms ?? {});
    showFacts(card, answer, requestId);
    card.querySelector(".card-body").replaceChildren(body);
  }

  function showProblem(card, problem, requestId) {
    const body = instance("problem-template", {
      headline: problem.headline ?? HEADLINES[problem.code] ?? problem.title,
      detail: problem.detail ? sentence(problem.detail) : "",
      reference: [problem.status, problem.code, problem.request_id ?? requestId].filter(Boolean).join(" · "),
    });
    card.querySelector(".facts").replaceChildren();
    card.querySelector(".card-body").replaceChildren(body);
  }

  function showRequest(request, answer) {
    by("command-name").textContent = "The same from a shell";
    by("command").textContent = request.command;
    const isUnsaved = source.isPasted;
    by("command-note").hidden = !isUnsaved;
    by("command-note").textContent = isUnsaved ? "The image was pasted: save it under that name first." : "";
    by("answer-field").hidden = !answer;
    by("answer").textContent = answer ? JSON.stringify(answer, null, 2) : "";
  }

  function announce(text) {
    by("status").textContent = text;
  }

  // Whoever has moved on meanwhile is not pulled back.
  function focusVerdict(askedFrom) {
    const now = document.activeElement;
    if (now !== askedFrom && now !== document.body && !result.contains(now))
      return;
    const verdict = summary.textContent ? summary : cards.querySelector(".verdict");
    verdict.focus({preventScroll: true});
    const {top, bottom} = verdict.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) // with the picture above it, not the verdict alone
      result.scrollIntoView({behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth"});
  }

  // ---- From a question to its answer

  function showOutcome(request, outcome) {
    const all = [...cards.children];
    summary.textContent = "";
    if (outcome.problem) {
      // One message for all of them, beside the first.
      all.slice(1).forEach((card) => card.querySelector(".card-body").replaceChildren());
      showProblem(all[0], outcome.problem);
      return cards.querySelector(".verdict").textContent;
    }
    const {answer} = outcome;
    const list = answer.results ?? [answer];
    list.slice(0, all.length).forEach((one, index) => {
      if (one.error)
        showProblem(all[index], one.error, answer.request_id);
      else
        showAnswer(all[index], one, answer.request_id);
    });
    if (list.length > 1) {
      const bad = list.filter((one) => one.error).length;
      summary.textContent = `${list.length - bad} of ${list.length} images classified`;
      return summary.textContent;
    }
    return cards.querySelector(".verdict").textContent;
  }

  function offerAgain(problem, tries) {
    const again = cards.querySelector(".problem-again");
    const text = again.querySelector("span");
    const waits = problem.retryAfter && tries < MAX_TRIES;
    again.hidden = !(waits || problem.retryAfter || problem.canRetry);
    again.querySelector("button").addEventListener("click", (event) => classify(source, event.currentTarget));
    if (!waits)
      return;
    const due = Date.now() + 1000 * problem.retryAfter;
    again.querySelector("button").textContent = "Try now";
    const tick = () => {
      const left = Math.ceil((due - Date.now()) / 1000);
      text.textContent = `Trying again in ${Math.max(left, 1)} s`;
      if (left > 0)
        retryTimer = setTimeout(tick, Math.min(1000, due - Date.now()));
      else
        classify(source, null, tries + 1);
    };
    tick();
  }

  // `askedFrom`: the control that hands its focus to the answer; without one the answer is announced
  // and the focus stays, so that settings can be tried one by one.
  async function classify(asked, askedFrom, tries = 1) {
    abort?.abort();
    clearTimeout(retryTimer);
    abort = new AbortController();
    const {signal} = abort;
    const request = requestOf(asked);
    if (asked !== source) {
      source = asked;
      tellUrlProblem("");
      forgetPreviews();
      const count = asked.url ? 1 : asked.files.length;
      cards.replaceChildren(...Array.from({length: count}, (_, index) => makeCard(asked, index)));
      [...cards.children].forEach(showWaiting);
      page.classList.toggle("is-many", count > 1);
    }
    result.hidden = false;
    result.setAttribute("aria-busy", "true");
    page.classList.add("has-result");
    showRequest(request, null);
    announce(tries > 1 ? "" : "Classifying");
    let outcome;
    try {
      outcome = await send(request, signal);
    } catch (error) {
      return; // aborted: another question has taken its place
    }
    result.setAttribute("aria-busy", "false");
    showRequest(request, outcome.answer);
    if (cards.contains(document.activeElement))
      askedFrom = document.body; // what has the focus is about to go, and the focus with it
    const said = showOutcome(request, outcome);
    if (outcome.problem)
      offerAgain(outcome.problem, tries);
    announce(askedFrom ? "" : said);
    if (askedFrom)
      focusVerdict(askedFrom);
    if (models.some((model) => model.state === "loading"))
      listModels();
  }

  function tellProblem(id, text) {
    by(id).textContent = text;
    announce(text);
  }

  function classifyFiles(list, askedFrom, isPasted = false) {
    by("files-problem").textContent = "";
    const files = [...list];
    if (files.length)
      classify({files, isPasted}, askedFrom);
  }

  function httpUrl(text) {
    const trimmed = text.trim();
    try {
      return /^https?:$/.test(new URL(trimmed).protocol) ? trimmed : null;
    } catch (error) {
      return null;
    }
  }

  // ---- The ways in

  by("files").addEventListener("change", (event) => {
    classifyFiles(event.target.files, event.target);
    event.target.value = ""; // the same file can be chosen again
  });

  function tellUrlProblem(text) {
    by("url-problem").textContent = text;
    by("url").setAttribute("aria-invalid", String(text !== ""));
  }

  by("by-url").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = by("url").value.trim();
    const url = httpUrl(text) ?? (/^[\w-]+(\.[\w-]+)+(:\d+)?\//.test(text) ? httpUrl(`https://${text}`) : null);
    tellUrlProblem(url ? "" : text ? "That is no http or https address." : "Give the address of an image first.");
    if (url)
      classify({url}, document.activeElement);
    else
      by("url").focus();
  });

  by("url").addEventListener("input", () => tellUrlProblem(""));

  by("sample").addEventListener("click", async (event) => {
    const button = event.currentTarget;
    by("sample-problem").textContent = "";
    try {
      const response = await fetch(address("sample.jpg", []));
      if (!response.ok)
        throw new Error(`status ${response.status}`);
      const file = new File([await response.blob()], "sample.jpg", {type: "image/jpeg"});
      classify({files: [file], isSample: true}, button);
    } catch (error) {
      tellProblem("sample-problem", "The sample did not arrive. Does the server still run?");
    }
  });

  let dragDepth = 0; // dragenter and dragleave come for every element that is crossed

  function carriesSomething(event) {
    return ["Files", "text/uri-list"].some((type) => event.dataTransfer.types.includes(type));
  }

  document.addEventListener("dragenter", (event) => {
    if (!carriesSomething(event))
      return;
    dragDepth++;
    page.classList.add("is-dragging");
  });
  document.addEventListener("dragleave", () => {
    dragDepth = Math.max(dragDepth - 1, 0);
    page.classList.toggle("is-dragging", dragDepth > 0);
  });
  document.addEventListener("dragover", (event) => {
    if (!carriesSomething(event))
      return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    dragDepth = 0;
    page.classList.remove("is-dragging");
    if (!carriesSomething(event))
      return;
    event.preventDefault(); // a miss would replace this page by the picture
    if ([...event.dataTransfer.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory)) {
      tellProblem("files-problem", "Folders are not opened here: drop the images inside.");
      return;
    }
    if (event.dataTransfer.files.length) {
      classifyFiles(event.dataTransfer.files, document.activeElement);
      return;
    }
    const url = httpUrl(event.dataTransfer.getData("text/uri-list").split(/\r?\n/).find((line) => !line.startsWith("#")) ?? "");
    if (url)
      classify({url}, document.activeElement);
  });

  document.addEventListener("paste", (event) => {
    const {files} = event.clipboardData;
    if (files.length) {
      event.preventDefault();
      classifyFiles(files, document.activeElement, true);
      return;
    }
    const url = httpUrl(event.clipboardData.getData("text/plain"));
    if (url && !event.target.closest?.("input")) {
      event.preventDefault();
      by("url").value = url;
      classify({url}, document.activeElement);
    }
  });

  // ---- Settings, copying

  // A model may have fewer classes than were asked of the last one.
  function boundTopK() {
    const {classes} = models.find((model) => model.name === by("model").value) ?? {};
    const topK = by("top-k");
    topK.max = classes ?? topK.max;
    const value = Math.round(Number(topK.value)) || DEFAULT_TOP_K;
    topK.value = Math.min(Math.max(value, 1), Number(topK.max));
  }

  function askAgain() {
    boundTopK();
    if (source)
      classify(source, null);
  }

  by("top-k").addEventListener("change", askAgain);
  by("model").addEventListener("change", askAgain);

  async function listModels() {
    try {
      const response = await fetch(address("models", []));
      models = (await response.json()).models ?? [];
    } catch (error) {
      return; // the server's default is used; a request will tell what is wrong
    }
    const chosen = by("model").value || models.find((model) => model.default)?.name;
    by("model").replaceChildren(...models.map((model) => {
      const option = element("option", "", model.state === "failed" ? `${model.name} (failed to load)` : model.name);
      option.value = model.name;
      option.disabled = model.state === "failed";
      option.selected = model.name === chosen;
      return option;
    }));
    by("model-field").hidden = models.length < 2;
    boundTopK();
  }

  async function copyText(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch (error) {
      // Without TLS, other hosts than localhost have no clipboard; a selection can still be copied.
      getSelection().selectAllChildren(by("command"));
      return document.execCommand("copy");
    }
    return true;
  }

  by("copy").addEventListener("click", async (event) => {
    const button = event.currentTarget;
    const done = await copyText(by("command").textContent);
    button.textContent = done ? "Copied" : "Selected";
    announce(done ? "The command is copied" : "The command is selected");
    setTimeout(() => {
      button.textContent = "Copy";
    }, 2000);
  });

  by("command").textContent = `curl -F image=@photo.jpg ${shellWord(address("classify", []))}`;
  listModels();
}
