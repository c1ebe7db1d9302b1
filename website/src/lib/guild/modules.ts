import { unwrap, type Api, type CanonicalModule } from '$lib/api/client';
import { Poller } from '$lib/polling/poller.svelte';

/** They are other only after the bot was replaced. */
const PERIOD_MS = 10 * 60_000;

/** What the bot can do and can be set, as it says itself. */
export const modulesOf = (api: Api): Poller<CanonicalModule[]> => new Poller((signal) => unwrap(api.GET('/modules', { signal })), PERIOD_MS);
