/**
 * Rules for the project's JavaScript. Layout is prettier's and types are tsc's; what is left is here.
 */

import js from "@eslint/js";
import globals from "globals";

const CLASSIC_SCRIPTS = [
  "static/extension/own_world.js",
  "static/extension/page_world.js",
  "examples/overlay/*.js",
  "harness/pages/*.js",
  "tests/e2e/pages/*.js",
];

export default [
  // Made by `make shim`.
  {
    ignores: [
      "static/p2pcamera.*",
      "build/",
      "benchmarks/out/",
      ".venv*/",
      "examples/*/dist/",
      "examples/next/*/**",
    ],
  },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-implied-eval": "error",
      "no-eval": "error",
      "no-shadow": ["error", { builtinGlobals: false }],
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", ignoreRestSiblings: true }],
      "no-use-before-define": ["error", { functions: false, classes: true, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      // What a page with a strict content-security policy or with Trusted Types would refuse.
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Trusted Types refuse it: make elements." },
        { property: "outerHTML", message: "Trusted Types refuse it: make elements." },
        { property: "insertAdjacentHTML", message: "Trusted Types refuse it: make elements." },
      ],
    },
  },
  { files: ["static/**/*.js", "examples/*/src/*.js"], languageOptions: { globals: globals.browser } },
  {
    files: ["static/extension/**/*.js"],
    languageOptions: { globals: { ...globals.browser, ...globals.webextensions } },
  },
  { files: CLASSIC_SCRIPTS, languageOptions: { sourceType: "script", globals: globals.browser } },
  {
    files: ["**/*.mjs", "tests/**/*.mjs"],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
];
