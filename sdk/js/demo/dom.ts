/** Elements without markup: no string of this page ever becomes HTML. */

type Child = Node | string | undefined;
type Attributes = Record<string, string | boolean | undefined>;

/** An element; an attribute that is undefined or false is left out, a child that is undefined too. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(
  tag: "svg" | "polyline",
  attributes: Attributes,
  ...children: readonly Node[]
): SVGElement {
  const element = document.createElementNS(SVG, tag);
  set(element, attributes);
  element.append(...children);
  return element;
}

function set(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
}

/** The element of the page with this id. Throws when it is none of that kind. */
export function get<T extends Element>(id: string, kind: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`#${id} is no ${kind.name}`);
  return element;
}

/** The control of a form with this name. */
export function control<T extends Element>(form: HTMLFormElement, name: string, kind: new () => T): T {
  const element = form.elements.namedItem(name);
  if (!(element instanceof kind)) throw new Error(`${name} is no ${kind.name}`);
  return element;
}

/** What came of an action, for eye and ear. */
export function tell(outcome: HTMLElement, text: string, tone: "good" | "bad" = "good"): void {
  outcome.textContent = text;
  outcome.dataset["tone"] = tone;
}

const kilo = new Intl.NumberFormat("en");

export function bytes(size: number): string {
  if (size < 10_000) return `${kilo.format(size)} bytes`;
  return size < 1_000_000 ? `${(size / 1000).toFixed(0)} kB` : `${(size / 1_000_000).toFixed(1)} MB`;
}
