// Zoom, drag and choose. Without scripts the page shows the same facts, one below the other.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");
  var svg = document.getElementById("network");
  var panel = document.getElementById("panel");
  if (!svg || !panel) { root.dataset.ready = "plain"; return; }
  var whole = svg.getAttribute("viewBox").split(" ").map(Number);
  var view = whole.slice();

  function show() { svg.setAttribute("viewBox", view.map(function (v) { return v.toFixed(2); }).join(" ")); }
  function size() { var r = svg.getBoundingClientRect(); return [r.width || 800, r.height || 640]; }
  // One unit of the drawing on one pixel, its start in sight.
  function actual() {
    var s = size();
    view = [Math.min(0, (whole[2] - s[0]) / 2), Math.min(0, (whole[3] - s[1]) / 2), s[0], s[1]];
    show();
  }
  function fit() {
    var s = size(), scale = Math.max(whole[2] / s[0], whole[3] / s[1], 0.85);
    view = [(whole[2] - s[0] * scale) / 2, (whole[3] - s[1] * scale) / 2, s[0] * scale, s[1] * scale];
    show();
  }
  function zoom(by, x, y) {
    var s = size();
    if (x === undefined) { x = s[0] / 2; y = s[1] / 2; }
    var px = view[0] + view[2] * x / s[0], py = view[1] + view[3] * y / s[1];
    var w = Math.min(Math.max(view[2] * by, 120), whole[2] * 12 + whole[3]);
    by = w / view[2];
    view = [px - (px - view[0]) * by, py - (py - view[1]) * by, w, view[3] * by];
    show();
  }
  function choose(id, from) {
    var section = document.getElementById(id);
    if (!section || section.parentNode !== panel) { return; }
    panel.querySelectorAll("section").forEach(function (s) { s.classList.toggle("shown", s === section); });
    svg.querySelectorAll(".box").forEach(function (b) {
      var mine = b.dataset.target === id;
      b.classList.toggle("chosen", mine);
      b.setAttribute("aria-pressed", mine ? "true" : "false");
      if (mine && from !== svg && view[2] < whole[2]) { center(b); }
    });
    root.dataset.chosen = id;
  }
  function center(box) {
    var b = box.getBBox();
    view[0] = b.x + b.width / 2 - view[2] / 2;
    view[1] = b.y + b.height / 2 - view[3] / 2;
    show();
  }

  var from = null, moved = false;
  svg.addEventListener("pointerdown", function (e) { from = [e.clientX, e.clientY, view[0], view[1]]; moved = false; });
  window.addEventListener("pointermove", function (e) {
    if (!from) { return; }
    var s = size(), dx = e.clientX - from[0], dy = e.clientY - from[1];
    if (Math.abs(dx) + Math.abs(dy) > 4) { moved = true; svg.classList.add("dragged"); }
    if (moved) { view[0] = from[2] - dx * view[2] / s[0]; view[1] = from[3] - dy * view[3] / s[1]; show(); }
  });
  window.addEventListener("pointerup", function () { from = null; svg.classList.remove("dragged"); });
  svg.addEventListener("wheel", function (e) {
    if (!e.ctrlKey && !e.metaKey) { return; } // the page scrolls
    e.preventDefault();
    var r = svg.getBoundingClientRect();
    zoom(e.deltaY > 0 ? 1.15 : 1 / 1.15, e.clientX - r.left, e.clientY - r.top);
  }, { passive: false });

  var boxes = Array.prototype.slice.call(svg.querySelectorAll(".box.linked"));
  boxes.forEach(function (box, k) {
    box.setAttribute("tabindex", "0");
    box.setAttribute("role", "button");
    box.addEventListener("click", function () { if (!moved) { choose(box.dataset.target, svg); } });
    box.addEventListener("keydown", function (e) {
      var step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[e.key];
      if (e.key === "Enter" || e.key === " ") { e.preventDefault(); choose(box.dataset.target, svg); }
      if (step && boxes[k + step]) { e.preventDefault(); boxes[k + step].focus({ preventScroll: true }); center(boxes[k + step]); }
    });
  });
  document.querySelectorAll("[data-zoom]").forEach(function (b) {
    b.addEventListener("click", function () {
      var what = b.dataset.zoom;
      if (what === "fit") { fit(); } else if (what === "actual") { actual(); } else { zoom(Number(what)); }
    });
  });
  document.querySelectorAll("a[data-target]").forEach(function (a) {
    a.addEventListener("click", function (e) {
      e.preventDefault();
      choose(a.dataset.target, a);
      document.getElementById("picture").scrollIntoView({ block: "start" });
    });
  });
  window.addEventListener("beforeprint", function () { svg.setAttribute("viewBox", whole.join(" ")); });
  window.addEventListener("afterprint", show);
  window.addEventListener("resize", fit);
  fit();
  choose(panel.dataset.first, svg);
  if (/^#layer-\d+$/.test(location.hash)) { choose(location.hash.slice(1), null); }
  root.dataset.ready = "yes";
})();
