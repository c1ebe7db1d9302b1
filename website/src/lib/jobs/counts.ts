import type { JobsSummary } from '$lib/api/client';

export type JobState = keyof JobsSummary;

export interface JobCount {
  state: JobState;
  label: string;
  count: number;
  /** Percent of all jobs. */
  share: number;
}

const LABELS: [JobState, string][] = [
  ['pending', 'Pending'],
  ['running', 'Running'],
  ['completed', 'Completed'],
  ['failed', 'Failed']
];

/** The counts in the order a job passes through them. */
export function jobCounts(summary: JobsSummary): JobCount[] {
  const total = LABELS.reduce((sum, [state]) => sum + summary[state], 0);
  return LABELS.map(([state, label]) => ({
    state,
    label,
    count: summary[state],
    share: total === 0 ? 0 : (summary[state] / total) * 100
  }));
}
