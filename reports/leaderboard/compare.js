// The comparison view: two entries side by side, pair by pair. Texts from files become text nodes, never markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const field = (id) => document.getElementById(id);
  const errors = field("errors");

  // The titles of entries: their labels, and where several have one label also their names.
  const counts = new Map();
  for (const entry of data.entries) counts.set(entry.label, (counts.get(entry.label) ?? 0) + 1);
  const titles = new Map(data.entries.map((entry) => [entry, counts.get(entry.label) > 1 ? `${entry.label} (${entry.name})` : entry.label]));

  // make("p", {class: "hint"}, "text", element …)
  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function fill(select, texts) {
    select.replaceChildren(...texts.map((text, place) => make("option", { value: place }, text)));
  }

  const printed = (value, metric) => (typeof value === "number" ? value.toFixed(metric.decimals) : value ?? "–");
  const withUnit = (value, metric) => printed(value, metric) + (typeof value === "number" && metric.unit ? ` ${metric.unit}` : "");

  const UNLIKE = "not compared: other protocols or data";

  // Whether the numbers of two entries in a metric are of one protocol and one data id.
  function alike(place, left, right) {
    const [a, b] = [left.means[place], right.means[place]];
    return a !== null && b !== null && a.protocol === b.protocol;
  }

  // Above 0 where the left value is the better one; null where the two do not compare.
  function lead(metric, left, right) {
    return typeof left === "number" && typeof right === "number" && metric.ranks ? metric.sign * (left - right) : null;
  }

  // Which of two numbers is the better one, in words; a yardstick, which sees the true image, is never the better one.
  function verdict(place, numbers, sides) {
    const metric = data.metrics[place];
    const ahead = lead(metric, ...numbers);
    if (ahead === null) return "–";
    if (!alike(place, ...sides)) return UNLIKE;
    if (!sides.every((entry) => entry.ranked)) return "not ranked: a yardstick";
    if (printed(numbers[0], metric) === printed(numbers[1], metric)) return "equal in print";
    return titles.get(sides[ahead > 0 ? 0 : 1]);
  }

  function common(left, right) {
    const others = new Map(right.pictures.map((picture) => [picture.pair, picture]));
    return left.pictures
      .filter((picture) => others.has(picture.pair))
      .map((picture) => ({ ...data.pairs[picture.pair], left: picture, right: others.get(picture.pair) }));
  }

  // The key by which pairs are sorted, the largest first; without a value a pair goes to the end.
  const goodness = (metric, value) => (typeof value === "number" ? metric.sign * value : null);
  const times = (factor, key) => (key === null ? null : factor * key);
  const keys = {
    difference: (metric, left, right) => { const ahead = lead(metric, left, right); return ahead === null ? null : Math.abs(ahead); },
    "left-better": lead,
    "right-better": (metric, left, right) => lead(metric, right, left),
    "left-worst": (metric, left) => times(-1, goodness(metric, left)),
    "left-best": goodness,
    "right-worst": (metric, left, right) => times(-1, goodness(metric, right)),
    "right-best": (metric, left, right) => goodness(metric, right),
    number: () => null,
  };
  const OF_BOTH = ["difference", "left-better", "right-better"];

  function sorted(pairs, order, place, comparable) {
    const key = OF_BOTH.includes(order) && !comparable ? keys.number : keys[order];
    const rated = pairs.map((pair) => ({ pair, key: key(data.metrics[place], pair.left.values[place], pair.right.values[place]) }));
    const of = (item) => item.key ?? -Infinity;
    rated.sort((a, b) => (of(a) === of(b) ? a.pair.number - b.pair.number : of(b) - of(a)));
    return rated.map((item) => item.pair);
  }

  function picture(source, text) {
    return make("img", { src: source, alt: text, loading: "lazy", decoding: "async" });
  }

  function large(source, text) {
    return make("a", { href: source, "data-large": "" }, picture(source, text));
  }

  function panel(caption, picture) {
    return make("div", { class: "panel" }, picture, make("span", {}, caption));
  }

  function errorMap(driving, generated, name) {
    const map = make("div", { class: "error-map", role: "img", "aria-label": `error map of ${name}` });
    map.append(picture(driving, ""), picture(generated, ""));
    return map;
  }

  function numbers(pair, left, right) {
    const lines = data.metrics.flatMap((metric, place) => {
      const [a, b] = [pair.left.values[place], pair.right.values[place]];
      if (a === null && b === null) return [];
      return [make("tr", {}, make("th", { scope: "row" }, make("code", {}, metric.name)),
        make("td", { class: "number" }, withUnit(a, metric)), make("td", { class: "number" }, withUnit(b, metric)),
        make("td", {}, verdict(place, [a, b], [left, right])))];
    });
    const head = make("tr", {}, make("th", { scope: "col" }, "metric"), make("th", { scope: "col", class: "number" }, titles.get(left)),
      make("th", { scope: "col", class: "number" }, titles.get(right)), make("th", { scope: "col" }, "better"));
    const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
    return make("details", {}, make("summary", {}, `All numbers of pair ${pair.number}`),
      make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Numbers of pair ${pair.number}` }, table));
  }

  function figure(pair, left, right, metric, place) {
    const number = String(pair.number).padStart(6, "0");
    const file = (entry, kind) => `../entries/${entry.name}/thumbnails/${number}-${kind}.webp`;
    const [source, driving] = [file(left, "source"), file(left, "driving")];
    const outputs = [left, right].map((entry) => [entry, file(entry, "generated")]);
    const panels = make("div", { class: "panels", "data-row": "" },
      panel("source", large(source, `source image of pair ${pair.number}`)),
      panel("driving", large(driving, `driving frame of pair ${pair.number}`)),
      ...outputs.map(([entry, output]) =>
        panel(titles.get(entry), large(output, `${entry.label} on pair ${pair.number}`))));
    if (errors && errors.checked) {
      panels.classList.add("with-errors");
      panels.append(...outputs.map(([entry, output]) =>
        panel(`error of ${titles.get(entry)}`, errorMap(driving, output, `${entry.label} on pair ${pair.number}`))));
    }
    const [a, b] = [pair.left.values[place], pair.right.values[place]];
    const line = make("p", { class: "pair-line" }, make("strong", {}, `Pair ${pair.number}`), ` ${metric.name}: `,
      make("b", {}, withUnit(a, metric)), ` ${titles.get(left)}, `, make("b", {}, withUnit(b, metric)), ` ${titles.get(right)}; better: `,
      verdict(place, [a, b], [left, right]));
    const caption = make("figcaption", {}, line, make("p", { class: "frames" }, pair.frames), numbers(pair, left, right));
    return make("figure", { "data-pair": pair.number }, panels, caption);
  }

  // The clips that both have: one is on the stage, its source, driving frame and error maps drawn from the videos.
  const motion = field("motion");
  const stage = { name: "", step: null, clip: null, draw: () => {}, stopped: !motion || player.calm.matches, seen: false };

  function clipsOf(left, right) {
    return motion ? left.clips.filter((place) => right.clips.includes(place)) : [];
  }

  function canvas(text) {
    return make("canvas", { role: "img", "aria-label": text, width: 1, height: 1 });
  }

  // Draw a third of a video's frame: 0 is the source, 1 the driving, 2 the generated image.
  function draw(target, video, ...thirds) {
    const side = video.videoHeight;
    if (!side || video.readyState < 2) return;
    if (target.width !== side) target.width = target.height = side;
    const context = target.getContext("2d");
    for (const [place, third] of thirds.entries()) {
      context.globalCompositeOperation = place ? "difference" : "copy";
      context.drawImage(video, third * side, 0, side, side, 0, 0, side, side);
    }
  }

  function perform(left, right, clip) {
    const frame = stage.clip === clip ? stage.step.frame : 0;
    if (stage.clip !== clip) field("speed").value = clip.speed;
    stage.step?.close();
    const pair = [left, right];
    const videos = pair.map((entry) => {
      const video = make("video", { class: "third", src: `../entries/${entry.name}/clips/${String(clip.first).padStart(6, "0")}.mp4`,
        preload: "auto", playsinline: "", "aria-label": `${entry.label}, generated` });
      video.muted = true;
      return video;
    });
    const [source, driving] = [canvas("source image"), canvas("driving frame")];
    const maps = errors?.checked ? pair.map((entry) => canvas(`error map of ${entry.label}`)) : [];
    const panels = field("stage");
    panels.replaceChildren(panel("source", source), panel("driving", driving),
      ...pair.map((entry, place) => panel(titles.get(entry), videos[place])),
      ...maps.map((map, place) => panel(`error of ${titles.get(pair[place])}`, make("div", { class: "error-map" }, map))));
    panels.classList.toggle("with-errors", maps.length > 0);
    stage.clip = clip;
    stage.draw = () => {
      draw(source, videos[0], 0);
      draw(driving, videos[0], 1);
      for (const [place, map] of maps.entries()) draw(map, videos[place], 1, 2);
      field("time").value = stage.step.frame;
      field("frame").textContent = `frame ${stage.step.frame + 1} of ${clip.count}`;
      field("unseekable").hidden = !(videos[0].readyState && videos[0].seekable.length && !videos[0].seekable.end(0));
      field("play").textContent = stage.step.playing ? "Pause" : "Play";
    };
    stage.step = inStep(...videos, clip.rate, clip.count, () => stage.draw());
    stage.step.speed = Number(field("speed").value);
    field("time").max = clip.count - 1;
    field("clip-frames").textContent = clip.frames;
    const broken = () => {
      stage.step.pause();
      field("transport").hidden = true;
    };
    field("transport").hidden = false;
    for (const video of videos) video.addEventListener("error", broken);
    if (!videos.map(player.playable).every(Boolean)) return broken();
    stage.step.seek(frame);
    resume();
  }

  function resume() {
    if (stage.step && stage.seen && !stage.stopped) stage.step.play();
  }

  function move(left, right) {
    const places = clipsOf(left, right);
    if (!motion) return;
    motion.hidden = places.length === 0;
    const name = JSON.stringify([left.name, right.name, errors?.checked, places]);
    if (name === stage.name) return;
    stage.name = name;
    if (!places.length) {
      stage.step?.close();
      return;
    }
    fill(field("clip"), places.map((place) => data.clips[place].title));
    for (const [number, option] of [...field("clip").options].entries()) option.value = places[number];
    field("clip").parentElement.hidden = places.length < 2;
    const again = places.find((place) => data.clips[place] === stage.clip);
    field("clip").value = again ?? places[0];
    perform(left, right, data.clips[field("clip").value]);
  }

  function sides() {
    return [data.entries[field("left").value], data.entries[field("right").value]];
  }

  function toggle() {
    stage.stopped = stage.step.playing;
    if (stage.stopped) stage.step.pause();
    else stage.step.play();
  }

  function stepTo(frame) {
    stage.stopped = true;
    stage.step.pause();
    stage.step.seek(frame);
    field("time").value = frame;
  }

  // The space bar and the arrow keys play and step where they have no work of their own, while the stage is seen.
  function keyed(event) {
    if (motion.hidden || !stage.seen || field("transport").hidden || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const own = event.target.closest?.("select, button, summary, a, input, .scroll");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === " " && (!own || own.id === "time")) toggle();
    else if (step && (!own || own.id === "time")) stepTo(Math.max(0, Math.min(stage.clip.count - 1, stage.step.frame + step)));
    else return;
    event.preventDefault();
  }

  function setUpMotion() {
    field("play").addEventListener("click", toggle);
    field("time").addEventListener("input", () => stepTo(Number(field("time").value)));
    field("speed").addEventListener("change", () => { stage.step.speed = Number(field("speed").value); });
    field("clip").addEventListener("change", () => perform(...sides(), data.clips[field("clip").value]));
    field("transport").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", keyed);
    new IntersectionObserver(([change]) => {
      stage.seen = change.isIntersecting;
      if (stage.seen) resume();
      else stage.step?.pause();
    }, { threshold: 0.25 }).observe(field("stage").parentElement);
  }

  function means(left, right) {
    field("left-name").textContent = titles.get(left);
    field("right-name").textContent = titles.get(right);
    const lines = data.metrics.flatMap((metric, place) => {
      const [a, b] = [left.means[place], right.means[place]];
      if (!a && !b) return [];
      const better = a && b ? verdict(place, [a, b].map((mean) => Number.parseFloat(mean.text)), [left, right]) : "only one has it";
      return [make("tr", {}, make("th", { scope: "row" }, make("code", {}, metric.name), ` ${metric.sign > 0 ? "↑" : "↓"}`),
        make("td", { class: "number" }, a ? `${a.text} ${metric.unit}` : "–"), make("td", { class: "number" }, b ? `${b.text} ${metric.unit}` : "–"),
        make("td", {}, better))];
    });
    field("means").tBodies[0].replaceChildren(...lines);
  }

  function show() {
    const [left, right] = sides();
    const place = Number(field("metric").value);
    const comparable = alike(place, left, right);
    const pairs = sorted(common(left, right), field("order").value, place, comparable);
    field("pairs").replaceChildren(...pairs.map((pair) => figure(pair, left, right, data.metrics[place], place)));
    const which = `${titles.get(left)} on the left, ${titles.get(right)} on the right`;
    field("status").textContent = pairs.length
      ? `${which}: ${pairs.length} pair${pairs.length === 1 ? "" : "s"} that both have pictures of.${comparable ? "" : ` Their values of ${data.metrics[place].name} were made under different protocols or on different data and are not compared.`}`
      : `${which}: there is no pair that both have pictures of. An entry has pictures of a few of its pairs only.`;
    means(left, right);
    move(left, right);
  }

  function choose() {
    const names = new URLSearchParams(location.hash.slice(1));
    const at = (name, otherwise) => {
      const place = data.entries.findIndex((entry) => entry.name === names.get(name));
      return place < 0 ? otherwise : place;
    };
    const a = at("a", 0);
    field("left").value = a;
    field("right").value = at("b", a === 1 ? 0 : 1);
    show();
  }

  function changed() {
    const names = new URLSearchParams({ a: data.entries[field("left").value].name, b: data.entries[field("right").value].name });
    location.replace(`#${names}`); // which fires hashchange, and so choose
  }

  for (const id of ["left", "right"]) fill(field(id), data.entries.map((entry) => titles.get(entry)));
  const pairwise = data.metrics.map((metric, place) => [metric, place]).filter(([metric]) => metric.pairwise);
  field("metric").replaceChildren(...pairwise.map(([metric, place]) => make("option", { value: place }, metric.name)));
  for (const id of ["left", "right"]) field(id).addEventListener("change", changed);
  for (const id of ["metric", "order", "errors"]) field(id)?.addEventListener("change", show);
  field("swap").addEventListener("click", () => {
    [field("left").value, field("right").value] = [field("right").value, field("left").value];
    changed();
  });
  field("controls").addEventListener("submit", (event) => event.preventDefault());
  if (motion) setUpMotion();
  window.addEventListener("hashchange", choose);
  choose();
})();
