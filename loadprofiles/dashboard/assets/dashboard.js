/* What happens in the browser: filters and address follow each other, charts are saved, light and dark. */
"use strict";

(function () {
  /* Plotly has English names of months and days; it takes others up when it is loaded. */
  const named = (style, kind, days) => days.map((day) => new Intl.DateTimeFormat("es", { [kind]: style }).format(day));
  const week = [...Array(7).keys()].map((day) => new Date(2023, 0, 1 + day));
  const year = [...Array(12).keys()].map((month) => new Date(2023, month, 1));
  (window.PlotlyLocales = window.PlotlyLocales || []).push({
    moduleType: "locale", name: "es", dictionary: {},
    format: {
      days: named("long", "weekday", week), shortDays: named("short", "weekday", week),
      months: named("long", "month", year), shortMonths: named("short", "month", year), date: "%d/%m/%Y",
    },
  });

  /* What is only shown comes as text, already escaped, and is put into its element before anything is drawn. Should
     dash take the element for something else, the text goes again. */
  const filled = new WeakMap();

  function show(element) {
    const reachable = () => [...element.querySelectorAll("a, button, [tabindex]")];
    const focus = reachable().indexOf(document.activeElement);
    (filled.get(element) || []).forEach((node) => {
      if (node instanceof Element) { node.querySelectorAll(".js-plotly-plot").forEach((plot) => window.Plotly.purge(plot)); }
      node.remove();
    });
    filled.delete(element);
    if (element.dataset.html !== undefined) {
      const template = document.createElement("template");
      template.innerHTML = element.dataset.html;
      filled.set(element, [...template.content.childNodes]);
      element.append(template.content);
      element.querySelectorAll(".plot").forEach(drawInSight);
    }
    // who sorts a table by the keyboard goes on from the heading they were at
    if (focus >= 0) { reachable()[focus]?.focus({ preventScroll: true }); }
  }

  /* Figures are drawn when they come into sight: a page has many, and each takes a tenth of a second. */
  let plotly = null;

  function loadPlotly() {
    plotly = plotly || new Promise((resolve, reject) => {
      const again = () => { plotly = null; reject(new Error("plotly could not be loaded")); };
      const script = { src: "assets/plotly.js", onload: resolve, onerror: again };
      document.head.append(Object.assign(document.createElement("script"), script));
    });
    return plotly;
  }

  // it takes longer than the rest of a page: begun early where figures come first, and for who is about to go there
  const FIGURES_FIRST = "consumption";
  if (window.location.pathname.endsWith(`/${FIGURES_FIRST}`)) { loadPlotly(); }
  ["pointerover", "focusin"].forEach((kind) => document.addEventListener(kind, (event) => {
    if (event.target.closest?.(`a[href^="${FIGURES_FIRST}"]`)) { loadPlotly(); }
  }));

  async function draw(plot) {
    sight.unobserve(plot);
    await loadPlotly();
    if (!plot.isConnected || plot.classList.contains("js-plotly-plot")) { return; }
    const { data, layout } = JSON.parse(plot.dataset.figure);
    const config = { displayModeBar: false, locale: document.documentElement.lang };
    await window.Plotly.newPlot(plot, data, layout, config);
    if (!isPrepared) { window.requestIdleCallback?.(prepare); }
    isPrepared = true;
  }

  /* The next figure is likely a customer's. Its first lines, band and legend take half as long again as all later ones,
     until the browser has compiled what draws them: so they are drawn once out of sight, while the reader looks. */
  let isPrepared = false;

  async function prepare() {
    const plot = Object.assign(document.createElement("div"), { className: "offstage" });
    document.body.append(plot);
    const [x, y, line] = [["2023-01-01T00:00", "2023-01-01T01:00", "2023-01-01T02:00"], [1, 2, 3], { shape: "hv" }];
    const lines = { type: "scatter", x, y, line, mode: "lines", name: "offstage" };
    const legend = { orientation: "h", y: 1.02, yanchor: "bottom" };
    const layout = { legend, xaxis: { title: { text: "x" } }, yaxis: { title: { text: "y" } }, hovermode: "x unified" };
    const traces = [lines, { ...lines, fill: "tonexty" }, { ...lines, mode: "markers" }];
    await window.Plotly.newPlot(plot, traces, layout, { displayModeBar: false });
    window.Plotly.purge(plot);
    plot.remove();
  }

  /* At once where the reader is looking: to be told by the browser takes a frame. */
  function drawInSight(plot) {
    const { top, bottom } = plot.getBoundingClientRect();
    if (top < window.innerHeight && bottom > 0) { draw(plot); } else { sight.observe(plot); }
  }

  const sight = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target));
  });
  window.addEventListener("resize", () => {
    document.querySelectorAll(".js-plotly-plot").forEach((plot) => window.Plotly.Plots.resize(plot));
  });
  window.addEventListener("beforeprint", () => document.querySelectorAll(".plot").forEach(draw));

  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "attributes") { show(change.target); continue; }
      for (const node of change.addedNodes) {
        if (!(node instanceof Element)) { continue; }
        if (node.dataset.html !== undefined && !filled.has(node)) { show(node); }
        node.querySelectorAll("[data-html]").forEach((inner) => filled.has(inner) || show(inner));
      }
    }
    setTitle();
  }).observe(document.documentElement, {
    subtree: true, childList: true, characterData: true, attributeFilter: ["data-html"],
  });

  /* The tab's title, and the top of the page when another page was opened. */
  function setTitle() {
    const heading = at("page")?.querySelector("h1")?.textContent;
    const title = heading ? `${heading} · ${NAME}` : NAME;
    if (document.title === title) { return; }
    if (document.title !== NAME) { window.scrollTo(0, 0); }
    document.title = title;
  }

  /* A link to another view: the address changes, and dash asks for what is there. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-link]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) { return; }
    event.preventDefault();
    window.history.pushState(null, "", link.href);
    window.dispatchEvent(new PopStateEvent("popstate"));
  });

  const NAME = "loadprofiles";
  const HOURS = [0, 24];
  const at = (id) => document.getElementById(id);

  /* The customers and sectors to choose from, and the days there are. */
  function offer(choices) {
    if (at("filters").dataset.run === choices.run) { return; }
    at("filters").dataset.run = choices.run;
    const option = (value) => Object.assign(document.createElement("option"), { value, textContent: value });
    at("customers").replaceChildren(...choices.customers.map(option));
    at("sector").replaceChildren(at("sector").options[0], ...choices.sectors.map(option));
    ["from", "to"].forEach((id) => Object.assign(at(id), { min: choices.first, max: choices.last }));
  }

  /* Set the filters; dash holds the values of its own inputs. */
  function fill(query) {
    const hours = (query.get("hours") || "").split("-").map(Number);
    const [first, last] = hours.length === 2 && hours.every(Number.isInteger) ? hours : HOURS;
    const set = (id, value) => at(id).value === value || window.dash_clientside.set_props(id, { value });
    set("customer", query.get("customer") || "");
    ["from", "to"].forEach((id) => {
      const day = query.get(id) || "";
      set(id, Number.isNaN(Date.parse(`${day}T00:00`)) ? "" : day);
    });
    at("sector").value = query.get("sector") || "";
    at("first-hour").value = String(first);
    at("last-hour").value = String(last);
  }

  /* The address after a filter was changed: the sheet of a table begins anew, and an open alert closes. */
  function follow(changed) {
    const query = new URLSearchParams(window.location.search);
    let [first, last] = [Number(at("first-hour").value), Number(at("last-hour").value)];
    if (first >= last) { [first, last] = changed === "first-hour" ? [first, first + 1] : [last - 1, last]; }
    const customer = at("customer").value;
    const isKnown = [...at("customers").options].some((option) => option.value === customer);
    at("customer").setAttribute("aria-invalid", String(Boolean(customer) && !isKnown));
    if (customer && !isKnown) { return; }
    const wanted = {
      customer, sector: at("sector").value, from: at("from").value, to: at("to").value,
      hours: first === HOURS[0] && last === HOURS[1] ? "" : `${first}-${last}`,
    };
    Object.entries(wanted).forEach(([name, value]) => (value ? query.set(name, value) : query.delete(name)));
    ["sheet", "alert", "lang"].forEach((name) => query.delete(name));
    const text = query.toString();
    window.dash_clientside.set_props("url", { search: text ? `?${text}` : "" });
  }

  function clearAddress() {
    const query = new URLSearchParams(window.location.search);
    ["customer", "sector", "from", "to", "hours", "sheet", "alert"].forEach((name) => query.delete(name));
    const text = query.toString();
    window.dash_clientside.set_props("url", { search: text ? `?${text}` : "" });
  }

  document.addEventListener("change", (event) => {
    if (event.target.closest("#filters")) { follow(event.target.id); }
  });
  document.addEventListener("input", (event) => {
    // chosen from the list, or emptied: there is nothing to wait for
    if (event.target.id === "customer" && (!event.inputType || event.inputType === "insertReplacementText")) {
      follow("customer");
    }
  });

  function theme() {
    try { return localStorage.getItem("theme"); } catch { return null; }
  }

  function isDark() {
    const set = document.documentElement.dataset.theme;
    return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  if (theme()) { document.documentElement.dataset.theme = theme(); }

  /* A session that ended, or a server that was started anew: the page is loaded again, once, which asks to sign in. */
  const ask = window.fetch;
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    const before = Number(sessionStorage.getItem("reloaded") || 0);
    if ([400, 401].includes(answer.status) && Date.now() - before > 10_000) {
      sessionStorage.setItem("reloaded", String(Date.now()));
      window.location.reload();
    }
    return answer;
  };

  async function savePng(name) {
    const graph = at(name);
    await draw(graph);
    const layout = { ...graph.layout, paper_bgcolor: "white", plot_bgcolor: "white" };
    const size = { width: graph.offsetWidth, height: graph.offsetHeight, scale: 2, format: "png" };
    await window.Plotly.downloadImage({ data: graph.data, layout }, { ...size, filename: name });
  }

  document.addEventListener("click", (event) => {
    const png = event.target.closest("[data-png]");
    if (png) { savePng(png.dataset.png); }
    if (event.target.closest("#theme")) {
      const next = isDark() ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      try { localStorage.setItem("theme", next); } catch { /* private windows keep nothing */ }
    }
    if (event.target.closest("#print")) { window.print(); }
    if (event.target.closest("#clear")) { fill(new URLSearchParams()); clearAddress(); }
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    dashboard: {
      /* The filters as the address has them, once it is known what there is: first, by links, and on going back. */
      fromAddress: function (search, choices) {
        if (choices && choices.run) {
          offer(choices);
          fill(new URLSearchParams(search || ""));
        }
        return window.dash_clientside.no_update;
      },
    },
  });
})();
