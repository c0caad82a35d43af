import { expect, test } from 'vitest';
import { describeReport, type ScenarioResult, toJson } from '../src/report.ts';

const environment = { node: 'v24.0.0', seconds_each: 5, settings: { A: '0', B: '1' } };

const results: ScenarioResult[] = [
  {
    scenario: 'append',
    rows: [
      {
        what: 'acknowledged',
        unit: 'messages/s',
        values: [26_301, 25_900, 26_800],
        against: { name: 'the statement', values: [50_000, 51_800, 53_600] },
        target: { atLeast: 0.51 },
      },
      { what: 'p50', unit: 'ms', values: [2.345], target: { atMost: 5 } },
      { what: 'CPU', unit: 'µs', values: [33.33, 41] },
    ],
  },
  { scenario: 'inbox', rows: [{ what: 'failed: closed', unit: 'failures', values: [3] }] },
];

const failures = [{ scenario: 'idle', reason: 'no answer' }];

test('a table for each scenario, with medians, spreads, ratios; then what failed, and all targets', () => {
  expect(describeReport({ environment, results, failures })).toBe(`\
- node: v24.0.0
- seconds each: 5
- settings: A=0 B=1

### append

| what         | measured                          | compared with | that                              | ratio  | target          |
| ------------ | --------------------------------- | ------------- | --------------------------------- | ------ | --------------- |
| acknowledged | 26,301 messages/s (25,900–26,800) | the statement | 51,800 messages/s (50,000–53,600) | 0.50 × | ≥ 0.51 (missed) |
| p50          | 2.35 ms                           |               |                                   |        | ≤ 5             |
| CPU          | 37.2 µs (33.3–41.0)               |               |                                   |        |                 |

### inbox

| what           | measured      | compared with | that | ratio | target |
| -------------- | ------------- | ------------- | ---- | ----- | ------ |
| failed: closed | 3.00 failures |               |      |       |        |

### idle

failed: no answer

### targets

| scenario | what         | compared with | ratio   | target |        |
| -------- | ------------ | ------------- | ------- | ------ | ------ |
| append   | acknowledged | the statement | 0.50 ×  | ≥ 0.51 | missed |
| append   | p50          |               | 2.35 ms | ≤ 5    | met    |`);
});

test('the JSON has the same, with the value of each round', () => {
  const json = JSON.parse(toJson({ environment, results, failures }));
  expect(json.environment).toEqual(environment);
  expect(json.scenarios.map(({ scenario }: ScenarioResult) => scenario)).toEqual(['append', 'inbox']);
  const [acknowledged, p50, cpu] = json.scenarios[0].rows;
  expect(acknowledged).toEqual({
    ...results[0]!.rows[0],
    median: 26_301,
    ratio: 0.5,
    target: { at_least: 0.51, at_most: null },
    meets_target: false,
  });
  expect(p50).toMatchObject({ values: [2.345], against: null, ratio: null, meets_target: true });
  expect(cpu).toMatchObject({ unit: 'µs', median: 37.165, target: null, meets_target: null });
  expect(json.failures).toEqual(failures);
});
