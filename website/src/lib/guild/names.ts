/** Controls, and signs that turn the direction of what follows (Unicode, "Bidirectional Algorithm"). */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
/** What Discord shows instead of the name of a channel that somebody may not see. */
const HIDDEN = '___hidden___';

/** A name as it is shown; `null` when nothing of it could be seen. */
export function visibleName(name: string | null | undefined): string | null {
  const text = (name ?? '').replace(UNSEEN, '').trim();
  return text === '' || text === HIDDEN ? null : text;
}

const EPOCH_MS = 1_420_070_400_000n;

/** When an id was given (Discord documentation, "Snowflakes"). */
export function timeOf(id: string): Date {
  return new Date(/^\d+$/.test(id) ? Number((BigInt(id) >> 22n) + EPOCH_MS) : 0);
}
