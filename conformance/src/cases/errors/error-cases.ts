import type { ErrorCode } from '@fleetlm/protocol';
import type { Entry } from '../../case.ts';
import { accessErrors } from './access-errors.ts';
import { agentErrors } from './agent-errors.ts';
import { loadErrors } from './load-errors.ts';
import { requestErrors } from './request-errors.ts';
import { stateErrors } from './state-errors.ts';

/**
 * Every code of the table: over REST with its status and form, and in a channel's reply where one can have it.
 * The type asks for each code; those that no caller can bring about name the test that does.
 */
export const errorCases: Readonly<Record<ErrorCode, readonly Entry[]>> = {
  ...requestErrors,
  ...accessErrors,
  ...stateErrors,
  ...agentErrors,
  ...loadErrors,
};
