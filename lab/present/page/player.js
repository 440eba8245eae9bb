/* Plays the timelines of each language; returns what shows the same event when the language changes. */
function playTimelines(rawLines) {
  var SPEEDS = [0.5, 1, 2, 4];
  /* A hundredth of real speed, within what an eye can follow; a fold takes as long as it takes to read. */
  var SLOWED = 100, LEAST_MS = 650, MOST_MS = 2000, FOLD_MS = 1600;
  var still = window.matchMedia("(prefers-reduced-motion: reduce)");
  var players = {};

  function drawn(name, attributes, parent) {
    var node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.keys(attributes).forEach(function (key) { node.setAttribute(key, attributes[key]); });
    parent.append(node);
    return node;
  }

  function number(node, name) { return parseFloat(node.getAttribute(name)); }

  function between(from, to, share) { return from + (to - from) * share; }

  function time(moment) {
    return moment < 1 ? (moment * 1000).toFixed(1) + " ms" : moment.toFixed(3) + " s";
  }

  /* A query: the events where it was seen, and the lines on which it travels from each to the next. */
  function query(group) {
    var stops = Array.from(group.querySelectorAll(".point")).map(function (point) {
      var legs = Array.from(group.querySelectorAll('.leg[data-to="' + point.dataset.point + '"]'));
      return { step: +point.dataset.step, y: number(point.parentNode, "y"), legs: legs };
    });
    var token = drawn("svg", { overflow: "visible" }, group);
    var body = drawn("g", { "class": "token none", "aria-hidden": "true" }, token);
    var A = group.dataset.qtype === "A";
    drawn(A ? "circle" : "rect", A ? { "class": "body", r: 7 } :
      { "class": "body", x: -6.5, y: -6.5, width: 13, height: 13 }, body);
    drawn("text", A ? { x: -10, y: -9, "text-anchor": "end" } : { x: 10, y: -9 }, body).textContent = group.dataset.qtype;
    token.style.display = "none";
    return { stops: stops, token: token, body: body };
  }

  function travel(one, at, y) {
    var next = one.stops.findIndex(function (stop) { return stop.step > at; });
    one.token.style.display = next > 0 ? "" : "none";
    if (next <= 0) { return; }
    var from = one.stops[next - 1], to = one.stops[next];
    var share = to.y - from.y > 0.5 ? (y - from.y) / (to.y - from.y) : (at - from.step) / (to.step - from.step);
    share = Math.max(0, Math.min(1, share)) * to.legs.length;
    var leg = to.legs[Math.min(Math.floor(share), to.legs.length - 1)];
    share -= to.legs.indexOf(leg);
    one.token.setAttribute("x", between(number(leg, "x1"), number(leg, "x2"), share) + "%");
    one.token.setAttribute("y", between(number(leg, "y1"), number(leg, "y2"), share));
    one.body.setAttribute("class", leg.getAttribute("class").replace("leg", "token").replace(/ (ahead|event)/g, ""));
  }

  /* What is drawn for one machine, and the line of text under it. */
  function stage(figure) {
    var svg = figure.querySelector("svg.lifelines");
    var line = drawn("line", { "class": "head-line", x1: 0, x2: "100%", y1: 0, y2: 0 }, svg);
    line.style.display = "none";
    return {
      parts: Array.from(svg.querySelectorAll("[data-step]")),
      points: Array.from(svg.querySelectorAll(".point")),
      queries: Array.from(svg.querySelectorAll(".query")).map(query),
      svg: svg, line: line, last: number(svg, "height"), now: figure.querySelector(".now"), shown: null
    };
  }

  function tell(one, step) {
    var reached = one.points.map(function (point) { return +point.dataset.step; }).filter(function (at) { return at <= step; });
    var last = Math.max.apply(null, reached);
    one.now.classList.toggle("fresh", last === step);
    if (one.shown === last) { return; }
    one.shown = last;
    one.now.replaceChildren();
    one.points.forEach(function (point) {
      if (+point.dataset.step !== last) { return; }
      var words = document.createElement("p");
      words.textContent = point.getAttribute("aria-label");
      one.now.append(words);
      rawLines(point).forEach(function (quote) { one.now.append(quote); });
    });
  }

  function player(panel) {
    var steps = JSON.parse(panel.dataset.steps);
    var section = panel.closest("section");
    var stages = Array.from(section.querySelectorAll(".timeline")).map(stage);
    var at = null, speed = 1, waits = false, frame = null, before = 0;

    function button(name) { return panel.querySelector('[data-do="' + name + '"]'); }

    function paint() {
      var step = Math.floor(at), share = at - step, next = steps[Math.min(step + 1, steps.length - 1)];
      var y = between(steps[step][1], next[1], share);
      section.classList.add("playing");
      stages.forEach(function (one) {
        one.parts.forEach(function (part) {
          part.classList.toggle("ahead", +part.dataset.step > step);
          part.classList.toggle("event", +part.dataset.step === step);
        });
        one.queries.forEach(function (each) { travel(each, at, y); });
        one.line.style.display = y < one.last ? "" : "none";
        one.line.setAttribute("y1", y);
        one.line.setAttribute("y2", y);
        one.now.hidden = false;
        tell(one, step);
      });
      follow();
      panel.dataset.step = step;
      panel.querySelector(".place").textContent = step + 1;
      panel.querySelector(".clock").textContent = time(between(steps[step][0], next[0], share));
    }

    /* Keeps the moment between the controls and the raw lines, where the timelines are side by side. */
    function follow() {
      var tops = stages.map(function (one) { return Math.round(one.svg.getBoundingClientRect().top); });
      if (Math.max.apply(null, tops) !== Math.min.apply(null, tops)) { return; }
      var moment = tops[0] + number(stages[0].line, "y1");
      var first = panel.getBoundingClientRect().bottom + 70, last = window.innerHeight - 210;
      if (first < last) { window.scrollBy(0, Math.max(0, moment - last) + Math.min(0, moment - first)); }
    }

    function lasts(step) {
      var folded = steps[step][2];
      if (folded && waits) { return folded * 1000; }
      var whole = folded ? FOLD_MS : (steps[step][0] - steps[step - 1][0]) * 1000 * SLOWED;
      return Math.max(LEAST_MS, Math.min(MOST_MS, whole)) / speed;
    }

    function run(moment) {
      var passed = moment - before, last = steps.length - 1;
      before = moment;
      while (passed > 0 && at < last) {
        var step = Math.floor(at) + 1, left = (step - at) * lasts(step);
        at = passed < left ? at + passed / lasts(step) : step;
        passed -= left;
      }
      paint();
      if (at < last) { frame = requestAnimationFrame(run); } else { pause(); }
    }

    /* A screen reader reads each event as one steps, not while they play. */
    function live(politeness) {
      stages.forEach(function (one) { one.now.setAttribute("aria-live", politeness); });
    }

    function pause() {
      cancelAnimationFrame(frame);
      frame = null;
      live("polite");
      button("play").setAttribute("aria-pressed", "false");
    }

    function start() {
      if (still.matches) { return; }
      if (at === null || at >= steps.length - 1) { at = 0; }
      button("play").setAttribute("aria-pressed", "true");
      live("off");
      before = performance.now();
      frame = requestAnimationFrame(run);
    }

    function go(step) {
      pause();
      at = Math.max(0, Math.min(steps.length - 1, step));
      paint();
    }

    function whole() {
      pause();
      at = null;
      section.classList.remove("playing");
      delete panel.dataset.step;
      panel.querySelector(".place").textContent = panel.querySelector(".clock").textContent = "–";
      stages.forEach(function (one) {
        one.parts.forEach(function (part) { part.classList.remove("ahead", "event"); });
        one.queries.forEach(function (each) { each.token.style.display = "none"; });
        one.line.style.display = "none";
        one.now.hidden = true;
      });
    }

    function pace(by) {
      speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, SPEEDS.indexOf(speed) + by))];
      button("faster").textContent = (speed === 0.5 ? "½" : speed) + "×";
    }

    var does = {
      play: function () { if (frame === null) { start(); } else { pause(); } },
      back: function () { go(at === null ? 0 : Math.ceil(at) - 1); },
      next: function () { go(at === null ? 0 : Math.floor(at) + 1); },
      faster: function () { if (speed === 4) { speed = 0.5; pace(0); } else { pace(1); } },
      wait: function () {
        if (!button("wait")) { return; }
        waits = !waits;
        button("wait").setAttribute("aria-pressed", String(waits));
      },
      whole: whole
    };
    var keys = {
      " ": does.play, ArrowLeft: does.back, ArrowRight: does.next, w: does.wait, Escape: whole,
      Home: function () { go(0); }, End: function () { go(steps.length - 1); },
      "+": function () { pace(1); }, "-": function () { pace(-1); }
    };
    panel.addEventListener("click", function (event) {
      var pressed = event.target.closest("[data-do]");
      if (pressed) { does[pressed.dataset.do](); }
    });
    section.addEventListener("keydown", function (event) {
      var pressed = event.target.closest("button, summary, a, .lines, .scrolls");
      if (event.ctrlKey || event.altKey || event.metaKey || !keys[event.key] || (pressed && event.key === " ")) { return; }
      event.preventDefault();
      keys[event.key]();
    });
    return { go: go, whole: whole, where: function () { return at; } };
  }

  document.querySelectorAll(".player").forEach(function (panel) {
    players[panel.closest("main").lang] = player(panel);
  });

  return function (from, to) {
    var left = players[from], shown = players[to];
    if (!left || left === shown) { return; }
    if (left.where() === null) { shown.whole(); } else { shown.go(Math.floor(left.where())); }
    left.whole();
  };
}
