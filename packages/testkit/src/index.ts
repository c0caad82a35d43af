export * from './phoenix-client.ts';
export * from './raw-socket.ts';
export * from './wait-until.ts';
