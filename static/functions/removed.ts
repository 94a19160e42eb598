// Gone before anything else runs: code that is no JavaScript, shared memory, and what the engine's wrapper left behind.

const here = globalThis as Record<string, unknown>;
for (const name of ["WebAssembly", "SharedArrayBuffer", "Atomics", "__timer_manager", "setTimeout", "clearTimeout", "console"]) delete here[name];
here.global = globalThis;
here.self = globalThis;

export {};
