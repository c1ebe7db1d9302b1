import { describe, expect, it } from 'vitest';
import type { Instance } from '$lib/api/client';
import { clusterRows } from '$lib/clusters/fleet';
import { instance, instanceList } from '$lib/clusters/samples';
import { Locale } from '$lib/i18n/locale.svelte';
import { OPERATORS, type OperatorsKey } from '$lib/i18n/operators/locale';
import { SITE, type SiteKey } from '$lib/i18n/site/locale';
import { clusterOffers, fleetOffers, type Offer } from './commands';

const { t } = new Locale<OperatorsKey | SiteKey>([SITE, OPERATORS]);

function offers(changes: Partial<Instance>, fleet = {}) {
  const list = { ...instanceList([instance(0, [0, 1], changes)]), ...fleet };
  return clusterOffers(clusterRows(list)[0]!, list, t);
}

describe('clusterOffers', () => {
  it('offers what makes sense in the state', () => {
    const process = (State: 'held' | 'backoff' | 'stopped' | 'missing') => ({
      Process: { State, Restarts: 5, Unresponsive: false }
    });
    const actions = (changes: Partial<Instance>) => offers(changes).map((offer) => offer.action);
    expect(actions({})).toEqual(['restart', 'stop']);
    expect(actions({ Active: false })).toEqual(['start']);
    expect(actions(process('stopped'))).toEqual(['start']);
    expect(actions(process('backoff'))).toEqual(['start', 'stop']);
    expect(actions(process('held'))).toEqual(['start', 'stop']);
    expect(actions(process('missing'))).toEqual([]);
  });

  it('says what is asked', () => {
    expect(offers({})[0]).toMatchObject({ cluster: 0, title: 'Restart cluster 0 (Flare)', unavailable: null });
  });

  it('offers nothing while something is under way', () => {
    for (const offer of offers({ LockClusterTime: '2026-01-01T00:00:00Z' })) {
      expect(offer.unavailable).toContain('under way');
    }
    for (const offer of offers({}, { RollRestarting: true })) expect(offer.unavailable).toContain('rolling');
  });
});

describe('fleetOffers', () => {
  const unavailable = (fleet: object) =>
    fleetOffers({ ...instanceList([]), ...fleet }, t)
      .filter((offer) => offer.unavailable !== null)
      .map((offer) => offer.action);

  it('restarts one after the other only from a whole fleet, and the launcher always', () => {
    expect(unavailable({})).toEqual([]);
    expect(unavailable({ FullyUp: false })).toEqual(['rollingrestart', 'reshard']);
    expect(unavailable({ RollRestarting: true })).toEqual(['rollingrestart', 'reshard']);
  });
});

it('names every button with what is written on it', () => {
  const states: Partial<Instance>[] = [{}, { Active: false }];
  const all: Offer[] = [...fleetOffers(instanceList([]), t), ...states.flatMap((state) => offers(state))];
  for (const { label, title } of all) expect(title).toContain(label);
});
