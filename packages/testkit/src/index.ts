export * from './describe-schema.ts';
export * from './phoenix-client.ts';
export * from './quiet-log.ts';
export * from './raw-socket.ts';
export * from './test-database.ts';
export * from './test-server.ts';
export * from './wait-until.ts';
