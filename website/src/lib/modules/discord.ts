/** Discord's permissions by bit, in the words of its own settings; `crates/permissions` has the same. */
export const PERMISSIONS: Record<number, string> = {
  0: 'Create Invite',
  1: 'Kick Members',
  2: 'Ban Members',
  3: 'Administrator',
  4: 'Manage Channels',
  5: 'Manage Server',
  6: 'Add Reactions',
  7: 'View Audit Log',
  8: 'Priority Speaker',
  9: 'Video',
  10: 'View Channels',
  11: 'Send Messages',
  12: 'Send TTS Messages',
  13: 'Manage Messages',
  14: 'Embed Links',
  15: 'Attach Files',
  16: 'Read Message History',
  17: 'Mention Everyone',
  18: 'Use External Emoji',
  19: 'View Server Insights',
  20: 'Connect',
  21: 'Speak',
  22: 'Mute Members',
  23: 'Deafen Members',
  24: 'Move Members',
  25: 'Use Voice Activity',
  26: 'Change Nickname',
  27: 'Manage Nicknames',
  28: 'Manage Roles',
  29: 'Manage Webhooks',
  30: 'Manage Expressions',
  31: 'Use Application Commands',
  32: 'Request to Speak',
  33: 'Manage Events',
  34: 'Manage Threads',
  35: 'Create Public Threads',
  36: 'Create Private Threads',
  37: 'Use External Stickers',
  38: 'Send Messages in Threads',
  39: 'Use Activities',
  40: 'Timeout Members',
  41: 'View Creator Monetization Analytics',
  42: 'Use Soundboard',
  43: 'Create Expressions',
  44: 'Create Events',
  45: 'Use External Sounds',
  46: 'Send Voice Messages',
  48: 'Set Voice Channel Status',
  49: 'Create Polls',
  50: 'Use External Apps',
  51: 'Pin Messages',
  52: 'Bypass Slow Mode'
};

/** The names of the bits that are set, from the lowest; `unknown` names the others. */
export function permissionNames(bits: bigint, unknown: (bit: number) => string): string[] {
  const names: string[] = [];
  for (let bit = 0; bits >> BigInt(bit) > 0n; bit += 1) {
    if ((bits >> BigInt(bit)) & 1n) names.push(PERMISSIONS[bit] ?? unknown(bit));
  }
  return names;
}
