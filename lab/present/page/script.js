(function () {
  "use strict";
  var root = document.documentElement;
{% include "player.js" %}
  var follow = playTimelines(rawLines);
  root.classList.add("js");

  function press(attribute, value) {
    document.querySelectorAll("button[" + attribute + "]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.getAttribute(attribute) === value));
    });
  }

  function main() {
    return document.querySelector('main[lang="' + root.dataset.language + '"]');
  }

  /* Keeps the section that is being read in place when the language changes. */
  function reading() {
    var current = null;
    main().querySelectorAll("section").forEach(function (section) {
      if (section.getBoundingClientRect().top < window.innerHeight / 3) { current = section; }
    });
    return current;
  }

  function speak(tag) {
    hide();
    var section = reading();
    var top = section ? section.getBoundingClientRect().top : 0;
    follow(root.dataset.language, tag);
    root.dataset.language = root.lang = tag;
    document.title = main().dataset.title;
    press("data-speak", tag);
    if (section) {
      var twin = main().querySelector('[data-section="' + section.dataset.section + '"]');
      window.scrollBy(0, twin.getBoundingClientRect().top - top);
    }
  }

  var shown = null;

  function tip() {
    return main().querySelector(".tip");
  }

  function hide() {
    if (shown) { shown.classList.remove("shown"); }
    shown = null;
    tip().hidden = true;
  }

  function element(name, text) {
    var node = document.createElement(name);
    node.textContent = text;
    return node;
  }

  /* Copies of the raw lines behind a mark. */
  function rawLines(point) {
    var ids = point.dataset.lines.trim().split(/\s+/);
    var lines = ids.map(function (id) { return id && document.getElementById(id); }).filter(Boolean);
    return lines.map(function (line) {
      var quote = document.createElement("div");
      quote.lang = "en";
      line.childNodes.forEach(function (part) { quote.append(part.cloneNode(true)); });
      return quote;
    });
  }

  function show(point) {
    if (shown) { shown.classList.remove("shown"); }
    shown = point;
    point.classList.add("shown");
    var card = tip();
    card.replaceChildren(element("p", point.getAttribute("aria-label")));
    rawLines(point).forEach(function (quote) { card.append(quote); });
    card.hidden = false;
    place(card, point.getBoundingClientRect());
  }

  function place(card, by) {
    var margin = 12;
    var room = root.clientWidth - card.offsetWidth - margin;
    var left = Math.max(margin, Math.min(by.left + by.width / 2 - card.offsetWidth / 2, room));
    var below = by.bottom + margin + card.offsetHeight < window.innerHeight;
    var top = below ? by.bottom + margin : Math.max(margin, by.top - margin - card.offsetHeight);
    card.style.left = left + window.scrollX + "px";
    card.style.top = top + window.scrollY + "px";
  }

  document.querySelectorAll(".point").forEach(function (point) {
    /* The card replaces the browser's tooltip. */
    point.querySelectorAll("title").forEach(function (title) { title.remove(); });
    point.addEventListener("pointerenter", function () { show(point); });
    point.addEventListener("pointerleave", function (event) {
      if (event.pointerType === "mouse" && document.activeElement !== point) { hide(); }
    });
    point.addEventListener("click", function () { show(point); });
    point.addEventListener("focus", function () { show(point); });
    point.addEventListener("blur", hide);
  });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") { hide(); } });
  document.addEventListener("pointerdown", function (event) {
    if (shown && !event.target.closest(".point")) { hide(); }
  });
  document.querySelectorAll("button[data-speak]").forEach(function (button) {
    button.addEventListener("click", function () { speak(button.dataset.speak); });
  });
  document.querySelectorAll("button[data-shine]").forEach(function (button) {
    button.addEventListener("click", function () {
      root.dataset.theme = button.dataset.shine;
      press("data-shine", button.dataset.shine);
    });
  });
})();
