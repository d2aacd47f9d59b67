// Draws the map of movies on its canvas. Pointing at a dot or tapping it shows its title.
for (const box of document.querySelectorAll(".map")) {
  const cloud = JSON.parse(document.getElementById(box.dataset.cloud).textContent);
  const [canvas, tip] = [box.querySelector("canvas"), box.querySelector(".tip")];
  const [input, count] = [box.querySelector("input"), box.querySelector("output")];
  const pen = canvas.getContext("2d");
  const most = Math.max(...cloud.ratings);
  const [right, top] = [Math.max(...cloud.x), Math.max(...cloud.y)];
  const size = (i) => 1.5 + 5 * Math.sqrt(cloud.ratings[i] / most);
  const REACH = 14, MARGIN = 14, MOST_NAMED = 12;
  let places = [], pointed = -1, found = new Set();

  function draw() {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const sharpness = window.devicePixelRatio || 1;
    canvas.width = width * sharpness;
    canvas.height = height * sharpness;
    pen.setTransform(sharpness, 0, 0, sharpness, 0, 0);
    const style = getComputedStyle(document.documentElement);
    const [main, accent, ink, paper] = ["--main", "--accent", "--ink", "--panel"].map((name) =>
      style.getPropertyValue(name).trim());
    // Both directions share one scale, so that distances are comparable.
    const scale = Math.min((width - 2 * MARGIN) / (right || 1), (height - 2 * MARGIN) / (top || 1));
    const [left, low] = [(width - scale * right) / 2, (height + scale * top) / 2];
    places = cloud.x.map((x, i) => [left + scale * x, low - scale * cloud.y[i]]);
    pen.clearRect(0, 0, width, height);
    // Draw the least rated first, so that large dots are above small ones.
    for (let i = places.length - 1; i >= 0; i--) dot(i, main, found.size ? 0.15 : 0.45);
    for (const i of found) dot(i, accent, 0.9);
    if (pointed >= 0) dot(pointed, accent, 1);
    const named = found.size ? [...found] : cloud.x.map((_, i) => i).slice(0, cloud.num_named);
    name(named.slice(0, MOST_NAMED), width, ink, paper);
  }

  function dot(i, color, strength) {
    pen.globalAlpha = strength;
    pen.fillStyle = color;
    pen.beginPath();
    pen.arc(places[i][0], places[i][1], size(i), 0, 7);
    pen.fill();
    pen.globalAlpha = 1;
  }

  // Writes titles beside their points, except those that would overlap another title.
  function name(points, width, ink, paper) {
    pen.font = "12px system-ui, sans-serif";
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    const taken = [];
    for (const i of points) {
      const [x, y] = places[i];
      const text = cloud.labels[i].length > 34 ? cloud.labels[i].slice(0, 33) + "…" : cloud.labels[i];
      const long = pen.measureText(text).width;
      const from = x + 9 + long < width ? x + 9 : x - 9 - long;
      const clash = taken.some(([a, b, c]) => Math.abs(b - y) < 15 && a < from + long && from < c);
      if (from < 0 || clash) continue;
      taken.push([from, y, from + long]);
      pen.strokeStyle = paper;
      pen.strokeText(text, from, y + 4);
      pen.fillStyle = ink;
      pen.fillText(text, from, y + 4);
    }
  }

  function point(event) {
    const frame = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let [nearest, distance] = [-1, REACH];
    places.forEach(([a, b], i) => {
      const off = Math.max(0, Math.hypot(a - x, b - y) - size(i));
      // Among overlapping points, the one on top comes first. It has the most ratings.
      if (off < distance) [nearest, distance] = [i, off];
    });
    if (nearest !== pointed) {
      pointed = nearest;
      draw();
    }
    tip.hidden = pointed < 0;
    if (pointed < 0) return;
    tip.textContent = `${cloud.labels[pointed]} · ${cloud.ratings[pointed].toLocaleString("en")} ratings`;
    const [px, py] = places[pointed];
    const [x0, y0] = [canvas.offsetLeft, canvas.offsetTop];
    tip.style.left = `${Math.max(4, Math.min(x0 + px + 12, box.clientWidth - tip.offsetWidth - 4))}px`;
    const above = y0 + py - tip.offsetHeight - 12;
    tip.style.top = `${above < y0 ? y0 + py + 14 : above}px`;
  }

  function search() {
    const word = input.value.trim().toLowerCase();
    const hits = word ? cloud.labels.flatMap((label, i) => (label.toLowerCase().includes(word) ? [i] : [])) : [];
    found = new Set(hits);
    [pointed, tip.hidden] = [-1, true];
    count.textContent = word ? `${hits.length.toLocaleString("en")} found` : "";
    draw();
  }

  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "mouse") return; // a tapped title remains
    [pointed, tip.hidden] = [-1, true];
    draw();
  });
  input.addEventListener("input", search);
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
