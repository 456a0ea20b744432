// The editors: CodeMirror with colours of the page, marks for matched nodes, and findings as squiggles.

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { xml } from "@codemirror/lang-xml";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorSelection, EditorState, Prec, StateEffect, StateField } from "@codemirror/state";
import {
  Decoration,
  drawSelection,
  EditorView,
  highlightActiveLine,
  hoverTooltip,
  keymap,
  lineNumbers,
  placeholder,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { ask, meta } from "./api.js";
import { make } from "./dom.js";
import { markdown } from "./markdown.js";

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName), tags.tagName], color: "var(--name)" },
  { tag: [tags.attributeName], color: "var(--soft)" },
  { tag: [tags.string, tags.attributeValue, tags.content], color: "var(--value)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword, tags.atom], color: "var(--word)" },
  { tag: [tags.comment, tags.meta, tags.processingInstruction], color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.punctuation, tags.angleBracket, tags.separator], color: "var(--soft)" },
]);

const setMarks = StateEffect.define();
const marks = StateField.define({
  create: () => Decoration.none,
  update(value, transaction) {
    value = value.map(transaction.changes);
    for (const effect of transaction.effects) if (effect.is(setMarks)) value = effect.value;
    return value;
  },
  provide: (field) => EditorView.decorations.from(field),
});

const languages = { yaml, xml };

/** An editor in an element. `complete`: with the help of the server for patches. */
export function editor(parent, { label, language, changed, dropped, announce, hint = "", complete = false }) {
  const leaving = Prec.low(
    keymap.of([
      {
        key: "Escape",
        run(view) {
          view.setTabFocusMode(true);
          announce("Tab leaves the editor now.");
          return true;
        },
      },
    ]),
  );
  const view = new EditorView({
    parent,
    state: EditorState.create({
      extensions: [
        EditorView.cspNonce.of(meta("nonce")),
        lineNumbers(),
        foldGutter(),
        history(),
        drawSelection(),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        highlightSelectionMatches(),
        indentUnit.of("  "),
        languages[language](),
        wrapping.of(wrapped()),
        syntaxHighlighting(colours),
        marks,
        hint ? placeholder(hint) : [],
        complete ? helped() : [],
        leaving,
        keymap.of([
          ...closeBracketsKeymap,
          ...completionKeymap,
          ...lintKeymap,
          ...searchKeymap,
          ...historyKeymap,
          ...foldKeymap,
          ...defaultKeymap,
          indentWithTab,
        ]),
        EditorView.contentAttributes.of({
          "aria-label": `${label}. Tab indents; Escape, then Tab, leaves the editor.`,
          spellcheck: "false",
        }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) changed(update.transactions.some((one) => one.isUserEvent("input") || one.isUserEvent("delete") || one.isUserEvent("undo")));
        }),
        EditorView.domEventHandlers({
          drop(event) {
            const [file] = event.dataTransfer.files;
            if (!file) return false;
            event.preventDefault();
            dropped(file);
            return true;
          },
          blur(_, of) {
            of.setTabFocusMode(false);
          },
        }),
      ],
    }),
  });
  follow(view);
  return {
    view,
    text: () => view.state.doc.toString(),
    fill(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: 0 }, scrollIntoView: true });
    },
    /** Marks the lines of a range; none without one. */
    markLines(from, to, reveal = false) {
      const { doc } = view.state;
      const ranges = [];
      if (to > from && to <= doc.length) {
        const last = doc.lineAt(from + doc.sliceString(from, to).trimEnd().length).number;
        for (let number = doc.lineAt(from).number; number <= last; number++) ranges.push(lineSpot.range(doc.line(number).from));
      }
      const effects = [setMarks.of(Decoration.set(ranges))];
      if (reveal && ranges.length) effects.push(EditorView.scrollIntoView(from, { y: "nearest", yMargin: 60 }));
      view.dispatch({ effects });
    },
    mark(spots, reveal = true) {
      const length = view.state.doc.length;
      const inside = spots.filter(([from, to]) => from < to && to <= length);
      const effects = [setMarks.of(Decoration.set(inside.map(([from, to]) => spot.range(from, to)), true))];
      if (inside.length && reveal) effects.push(EditorView.scrollIntoView(inside[0][0], { y: "center" }));
      view.dispatch({ effects });
      return inside.length;
    },
    go(from, to = from) {
      const length = view.state.doc.length;
      const range = EditorSelection.range(Math.min(from, length), Math.min(to, length));
      view.dispatch({ selection: EditorSelection.create([range]), effects: EditorView.scrollIntoView(range, { y: "center" }) });
      view.focus();
    },
    squiggle(findings, showRule) {
      const length = view.state.doc.length;
      const found = findings.map((one) => ({
        from: Math.min(one.from, length),
        to: Math.min(Math.max(one.to, one.from), length),
        severity: { error: "error", warning: "warning", advice: "info" }[one.severity],
        source: `${one.rule} ${one.name}`,
        message: one.help ? `${one.message}\n${one.help}` : one.message,
        actions: [{ name: `About ${one.rule}`, apply: () => showRule(one.rule) }],
      }));
      view.dispatch(setDiagnostics(view.state, found));
    },
  };
}

const spot = Decoration.mark({ class: "cm-spot" });
const lineSpot = Decoration.line({ class: "cm-edit" });

const narrow = matchMedia("(max-width: 860px)");
const wrapping = new Compartment();
const wrapped = () => (narrow.matches ? EditorView.lineWrapping : []);

/** Lines are wrapped where the screen is narrow. */
function follow(view) {
  narrow.addEventListener("change", () => view.dispatch({ effects: wrapping.reconfigure(wrapped()) }));
}

const icons = {
  key: "property", op: "keyword", value: "constant", element: "class", attribute: "property", axis: "keyword",
  field: "property", variable: "variable", function: "function", method: "method", rule: "text",
};

function helped() {
  async function complete(context) {
    const before = context.state.sliceDoc(Math.max(0, context.pos - 1), context.pos);
    if (!context.explicit && !/[\w/@.'"=\[-]/.test(before)) return null;
    let answer;
    try {
      answer = await ask("complete", { text: context.state.doc.toString(), offset: context.pos });
    } catch {
      return null;
    }
    if (context.aborted || !answer.items.length) return null;
    return {
      from: answer.from,
      to: Math.max(answer.to, context.pos),
      options: answer.items.map((one, rank) => ({
        label: one.label, apply: one.insert, detail: one.detail, type: icons[one.kind], boost: -rank / 20,
      })),
    };
  }
  const hover = hoverTooltip(async (view, pos) => {
    let answer;
    try {
      answer = await ask("hover", { text: view.state.doc.toString(), offset: pos });
    } catch {
      return null;
    }
    if (!answer.text) return null;
    return {
      pos: answer.from,
      end: answer.to,
      create: () => ({ dom: make("div", { class: "hover prose" }, markdown(answer.text)) }),
    };
  });
  return [autocompletion({ override: [complete], icons: false, maxRenderedOptions: 60 }), hover];
}

const lineKinds = { "+": "add", "-": "del", "@": "at" };
const lineMarks = Object.fromEntries(Object.values(lineKinds).map((kind) => [kind, Decoration.line({ class: `diff-${kind}` })]));

/** A view of unified diffs, which can be searched and gone through by the keyboard. */
export function diffView(parent) {
  const lines = StateField.define({
    create: () => Decoration.none,
    update(value, transaction) {
      if (!transaction.docChanged) return value;
      const found = [];
      const doc = transaction.newDoc;
      for (let number = 1; number <= doc.lines; number++) {
        const line = doc.line(number);
        const head = /^(?:---|\+\+\+) /.test(line.text);
        const kind = head ? "at" : lineKinds[line.text[0]];
        if (kind) found.push(lineMarks[kind].range(line.from));
      }
      return Decoration.set(found);
    },
    provide: (field) => EditorView.decorations.from(field),
  });
  const view = new EditorView({
    parent,
    state: EditorState.create({
      extensions: [
        EditorView.cspNonce.of(meta("nonce")),
        EditorState.readOnly.of(true),
        EditorView.editable.of(false),
        EditorView.contentAttributes.of({ tabindex: "0", "aria-label": "Unified diff", role: "document", "aria-multiline": "true" }),
        drawSelection(),
        wrapping.of(wrapped()),
        lines,
        keymap.of([...searchKeymap, ...defaultKeymap]),
      ],
    }),
  });
  follow(view);
  return (text) => {
    if (text !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
  };
}
