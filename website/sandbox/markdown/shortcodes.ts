/** Names of emoji that clients draw, as far as bots commonly use them. */
export const SHORTCODES: Readonly<Record<string, string>> = {
  alarm_clock: '⏰', arrow_down: '⬇️', arrow_left: '⬅️', arrow_right: '➡️', arrow_up: '⬆️',
  ban: '🚫', bar_chart: '📊', bell: '🔔', bomb: '💣', book: '📖', books: '📚', boom: '💥', bug: '🐛',
  bulb: '💡', calendar: '📅', chart_with_upwards_trend: '📈', check: '✔️', clap: '👏', clock1: '🕐',
  cloud: '☁️', construction: '🚧', crossed_swords: '⚔️', crown: '👑', eyes: '👀',
  exclamation: '❗', file_folder: '📁', fire: '🔥', floppy_disk: '💾', gear: '⚙️', grey_question: '❔',
  hammer: '🔨', heart: '❤️', heavy_check_mark: '✔️', heavy_multiplication_x: '✖️', hourglass: '⌛',
  hourglass_flowing_sand: '⏳', inbox_tray: '📥', information_source: 'ℹ️', joy: '😂', key: '🔑',
  link: '🔗', lock: '🔒', mag: '🔍', mega: '📣', memo: '📝', no_entry: '⛔', no_entry_sign: '🚫',
  notepad_spiral: '🗒️', ok_hand: '👌', outbox_tray: '📤', package: '📦', page_facing_up: '📄',
  paperclip: '📎', partying_face: '🥳', pencil: '📝', ping_pong: '🏓', pushpin: '📌', question: '❓',
  recycle: '♻️', red_circle: '🔴', green_circle: '🟢', yellow_circle: '🟡', robot: '🤖', rocket: '🚀',
  rotating_light: '🚨', shield: '🛡️', shrug: '🤷', skull: '💀', slight_smile: '🙂', smile: '😄',
  sos: '🆘', sparkles: '✨', star: '⭐', stop_sign: '🛑', stopwatch: '⏱️', tada: '🎉', thinking: '🤔',
  thumbsdown: '👎', thumbsup: '👍', timer: '⏲️', tools: '🛠️', unlock: '🔓', warning: '⚠️',
  wastebasket: '🗑️', wave: '👋', white_check_mark: '✅', wrench: '🔧', x: '❌', zap: '⚡'
};
