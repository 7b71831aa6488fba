// Point at a candidate to see it; click to keep it. Without scripts the page lists all of them.
(function () {
  "use strict";
  document.documentElement.classList.add("js");
  var dots = document.querySelectorAll("#plot .dot"), panel = document.getElementById("panel"), kept = null;
  function show(dot) {
    panel.querySelectorAll("section").forEach(function (s) { s.classList.toggle("shown", s.id === dot.dataset.panel); });
    dots.forEach(function (d) { d.classList.toggle("shown", d === dot); });
  }
  dots.forEach(function (dot) {
    dot.addEventListener("mouseenter", function () { show(dot); });
    dot.addEventListener("mouseleave", function () { if (kept) { show(kept); } });
    dot.addEventListener("focus", function () { show(dot); });
    dot.addEventListener("click", function () { kept = dot; show(dot); });
    if (dot.classList.contains("chosen")) { kept = dot; }
  });
  if (kept) { show(kept); }
})();
