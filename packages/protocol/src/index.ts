export * from './errors.ts';
export * from './frames.ts';
export * from './ids.ts';
export * from './json.ts';
export * from './parse.ts';
export * from './rest-shapes.ts';
export * from './shapes.ts';
export * from './topics.ts';
