// The alias of phoenix 1.7.21, which has the same types.
declare module 'phoenix17' {
  export * from 'phoenix';
}
