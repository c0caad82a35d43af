/**
 * Settings of a connection whose statements look everything up by key, which is right however large the tables are.
 * Left alone, Postgres plans some of them anew each time, and changes others over to a generic plan with hash joins
 * over whole tables once they have grown: so there is one plan, and no other way to join.
 */
export const lookupPlans: Readonly<Record<string, string>> = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_material: 'off',
  jit: 'off',
};
