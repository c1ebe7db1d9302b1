import type { JobsSummary } from '$lib/api/client';

export type JobState = keyof JobsSummary;

export interface JobCount {
  state: JobState;
  count: number;
  /** Percent of all jobs. */
  share: number;
}

const STATES: JobState[] = ['pending', 'running', 'completed', 'failed'];

/** The counts in the order a job passes through them. */
export function jobCounts(summary: JobsSummary): JobCount[] {
  const total = STATES.reduce((sum, state) => sum + summary[state], 0);
  return STATES.map((state) => ({
    state,
    count: summary[state],
    share: total === 0 ? 0 : (summary[state] / total) * 100
  }));
}
