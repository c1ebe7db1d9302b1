// The sandbox's own page: look at a channel as some user, write, run commands, press buttons.
const $ = (id) => document.getElementById(id);
const state = { world: null, commands: [], command: null, shown: '', channel: null };
const TEXTUAL = [0, 2, 5, 10, 11, 12, 13];

async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(answer?.message ?? `${response.status}`);
  return answer;
}
const as = (act, body) => call('POST', `/ctl/as/${$('user').value}/${act}`, body);
async function rest(method, path, body = null) {
  const { results } = await as('request', { body: { method, path, body } });
  return results[0];
}
const notice = (text) => { $('notice').textContent = text; };
async function attempt(work) {
  try { await work(); } catch (error) { notice(error.message); }
}
function el(tag, props = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

async function start() {
  state.world = await call('GET', '/ctl/world?summary=true');
  $('guild').replaceChildren(...state.world.guilds.map((g) => el('option', { value: g.id }, g.name)));
  $('user').replaceChildren(...state.world.users.filter((u) => !u.bot)
    .map((u) => el('option', { value: u.id }, u.global_name ?? u.username)));
  await changePlace();
}

async function changePlace() {
  const guild = $('guild').value;
  if (!guild) return;
  state.commands = (await call('GET', `/ctl/as/${$('user').value}/commands?guild_id=${guild}`))
    .flatMap((command) => leaves(command));
  const channels = await rest('GET', `/guilds/${guild}/channels`);
  const threads = await rest('GET', `/guilds/${guild}/threads/active`);
  const all = channels.status === 200 ? channels.body : [];
  const under = threads.status === 200 ? threads.body.threads : [];
  drawChannels(all, under);
  const known = [...all, ...under];
  if (!known.some((c) => c.id === state.channel?.id)) {
    state.channel = all.find((c) => c.type === 0) ?? known.find((c) => TEXTUAL.includes(c.type)) ?? null;
  }
  await Promise.all([members(), audit()]);
  state.shown = '';
  await refresh();
}

// A command with subcommands becomes one entry per path.
function leaves(command, prefix = '') {
  const name = `${prefix}${command.name}`;
  const inner = (command.options ?? []).filter((o) => o.type <= 2);
  if (inner.length) return inner.flatMap((o) => leaves({ ...o, kind: command.kind ?? command.type }, `${name} `));
  return [{ name, description: command.description, options: command.options ?? [], kind: command.kind ?? command.type }];
}

function drawChannels(channels, threads) {
  const order = (a, b) => a.position - b.position;
  const entry = (c, kind = '') => {
    const label = `${c.type === 15 ? '▤ ' : c.type === 2 ? '♪ ' : '# '}${c.name}`;
    const button = el('button', { type: 'button', onclick: () => attempt(() => open(c)) }, label);
    button.dataset.channel = c.id;
    return el('li', { className: kind }, button);
  };
  const family = (c) => [entry(c), ...threads.filter((t) => t.parent_id === c.id).map((t) => entry(t, 'thread'))];
  const top = channels.filter((c) => c.type !== 4 && !c.parent_id).sort(order);
  const items = top.flatMap(family);
  for (const category of channels.filter((c) => c.type === 4).sort(order)) {
    items.push(el('li', { className: 'category' }, category.name));
    items.push(...channels.filter((c) => c.parent_id === category.id).sort(order).flatMap(family));
  }
  $('channels').replaceChildren(...items);
}

async function open(channel) {
  state.channel = channel;
  state.shown = '';
  await refresh();
}

async function refresh() {
  const channel = state.channel;
  for (const button of $('channels').querySelectorAll('button')) {
    if (button.dataset.channel === channel?.id) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  }
  $('title').textContent = channel ? `# ${channel.name}` : 'No channel';
  const messages = channel
    ? await call('GET', `/ctl/as/${$('user').value}/messages?channel_id=${channel.id}&limit=50`) : [];
  const text = JSON.stringify(messages);
  if (text === state.shown) return;
  const log = $('messages');
  const atEnd = state.shown === '' || log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const focused = document.activeElement?.dataset?.component;
  state.shown = text;
  log.replaceChildren(...messages.map(message));
  if (focused) log.querySelector(`[data-component="${CSS.escape(focused)}"]`)?.focus();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function message(m) {
  const when = new Date(m.timestamp);
  const item = el('li', {},
    el('span', { className: 'author' }, m.author.global_name ?? m.author.username),
    m.author.bot ? el('span', { className: 'badge' }, 'APP') : null,
    el('time', { dateTime: m.timestamp }, when.toLocaleString()),
    m.edited_timestamp ? el('span', { className: 'hint' }, 'edited') : null,
    (m.flags & 64) ? el('span', { className: 'hint' }, 'only you can see this') : null);
  if (m.flags & 128) item.append(el('div', { className: 'hint' }, 'is thinking…'));
  if (m.content) item.append(el('div', { className: 'content' }, m.content));
  item.append(...(m.embeds ?? []).map(embed));
  for (const file of m.attachments ?? []) {
    item.append(el('div', {}, el('a', { href: file.url, target: '_blank', rel: 'noreferrer' }, file.filename),
      el('span', { className: 'hint' }, `${file.size} bytes`)));
  }
  for (const r of m.reactions ?? []) item.append(el('span', { className: 'hint' }, `${r.emoji.name} ${r.count}`));
  item.append(...(m.components ?? []).map((c) => component(c, m)).filter(Boolean));
  return item;
}

function embed(e) {
  const box = el('div', { className: 'embed' });
  if (e.color) box.style.borderLeftColor = `#${e.color.toString(16).padStart(6, '0')}`;
  if (e.author) box.append(el('small', {}, e.author.name));
  if (e.title) box.append(el('strong', {}, e.url ? el('a', { href: e.url }, e.title) : e.title));
  if (e.description) box.append(el('div', {}, e.description));
  for (const f of e.fields ?? []) box.append(el('strong', {}, f.name), el('div', {}, f.value));
  if (e.footer) box.append(el('small', {}, e.footer.text));
  return box;
}

function component(c, m) {
  const press = (kind, extra) => attempt(() => interact({
    kind, custom_id: c.custom_id, message_id: m.id, ...extra }));
  switch (c.type) {
    case 1: return el('div', { className: 'row' }, ...c.components.map((x) => component(x, m)));
    case 2: {
      const label = [c.emoji?.name, c.label].filter(Boolean).join(' ');
      if (c.style === 5) return el('a', { href: c.url, target: '_blank', rel: 'noreferrer' }, label);
      const button = el('button', { type: 'button', disabled: !!c.disabled, onclick: () => press('button') }, label);
      button.dataset.component = `${m.id}/${c.custom_id}`;
      return button;
    }
    case 3: case 5: case 6: case 7: case 8: {
      const options = c.options ?? state.world.users.map((u) => ({ label: u.username, value: u.id }));
      const select = el('select', { multiple: (c.max_values ?? 1) > 1, disabled: !!c.disabled },
        ...(c.max_values > 1 ? [] : [el('option', { value: '' }, c.placeholder ?? 'Choose…')]),
        ...options.map((o) => el('option', { value: o.value, selected: !!o.default }, o.label)));
      select.setAttribute('aria-label', c.placeholder ?? c.custom_id);
      select.dataset.component = `${m.id}/${c.custom_id}`;
      const chosen = () => [...select.selectedOptions].map((o) => o.value).filter(Boolean);
      if (!select.multiple) select.onchange = () => press('select', { values: chosen() });
      const go = select.multiple
        ? el('button', { type: 'button', onclick: () => press('select', { values: chosen() }) }, 'Choose') : null;
      return el('span', { className: 'row' }, select, go);
    }
    case 9: case 17: return el('div', { className: 'embed' }, ...(c.components ?? []).map((x) => component(x, m)).filter(Boolean),
      c.accessory ? component(c.accessory, m) : null);
    case 10: return el('div', { className: 'content' }, c.content);
    case 14: return el('hr');
    default: return null;
  }
}

async function interact(body) {
  notice('…');
  const seen = await as('interact', { guild_id: $('guild').value, channel_id: state.channel.id, ...body });
  notice(seen.error ?? '');
  await refresh();
  if (seen.modal) await modal(seen.modal, body.message_id);
}

async function modal(spec, messageId) {
  $('modal-title').textContent = spec.title;
  const fields = [];
  const inputs = (c) => c.components ? c.components.flatMap(inputs) : c.component ? inputs({ ...c.component, label: c.label }) : [c];
  for (const c of spec.components.flatMap(inputs).filter((c) => c.custom_id)) {
    const input = c.options
      ? el('select', {}, ...c.options.map((o) => el('option', { value: o.value }, o.label)))
      : el(c.style === 2 ? 'textarea' : 'input', { value: c.value ?? '', placeholder: c.placeholder ?? '' });
    input.required = c.required !== false;
    if (c.max_length) input.maxLength = c.max_length;
    if (c.min_length) input.minLength = c.min_length;
    fields.push([c, input]);
  }
  $('modal-fields').replaceChildren(...fields.map(([c, input]) => el('label', {}, c.label ?? c.custom_id, input)));
  const dialog = $('modal');
  dialog.returnValue = 'cancel';
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener('close', done, { once: true }));
  if (dialog.returnValue !== 'send') return;
  const values = Object.fromEntries(fields.map(([c, input]) => [c.custom_id, input.value]));
  await interact({ kind: 'modal', custom_id: spec.custom_id, values, message_id: messageId });
}

function suggest() {
  const text = $('text').value;
  const list = $('suggestions');
  const found = text.startsWith('/')
    ? state.commands.filter((c) => c.kind === 1 && `/${c.name}`.startsWith(text.trimEnd())).slice(0, 25) : [];
  list.hidden = !found.length;
  list.replaceChildren(...found.map((c) => el('li', {}, el('button', {
    type: 'button', onclick: () => choose(c),
  }, `/${c.name}`, el('span', { className: 'hint' }, c.description)))));
}

function choose(command) {
  state.command = command;
  $('text').value = '';
  suggest();
  $('command').hidden = false;
  $('command-name').textContent = `/${command.name}`;
  $('command-about').textContent = command.description;
  $('options').replaceChildren(...command.options.map(option));
  ($('options').querySelector('input,select') ?? $('command').querySelector('button')).focus();
}

function option(o) {
  let input;
  const pick = (items) => el('select', {}, el('option', { value: '' }, ''),
    ...items.map((i) => el('option', { value: JSON.stringify(i.value) }, i.name)));
  const guild = state.world.guilds.find((g) => g.id === $('guild').value);
  const users = state.world.users.filter((u) => guild.members.includes(u.id)).map((u) => ({ name: u.username, value: u.id }));
  if (o.choices?.length) input = pick(o.choices);
  else if (o.type === 5) input = pick([{ name: 'true', value: true }, { name: 'false', value: false }]);
  else if (o.type === 6 || o.type === 9) input = pick(users);
  else if (o.type === 7) {
    input = pick([...$('channels').querySelectorAll('button')].map((b) => ({ name: b.textContent, value: b.dataset.channel })));
  } else if (o.type === 8) input = pick(guild.roles.map((r) => ({ name: r.name, value: r.id })));
  else if (o.type === 11) input = el('input', { type: 'file' });
  else {
    input = el('input', { type: o.type === 4 || o.type === 10 ? 'number' : 'text', step: 'any' });
    if (o.autocomplete) completes(input, o);
  }
  input.required = !!o.required;
  input.name = o.name;
  input.dataset.type = o.type;
  return el('label', { title: o.description }, `${o.name}${o.required ? ' *' : ''}`, input);
}

function completes(input, o) {
  const list = el('datalist', { id: `choices-${o.name}` });
  input.setAttribute('list', list.id);
  input.after(list);
  let timer;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => attempt(async () => {
      const seen = await as('interact', { kind: 'autocomplete', guild_id: $('guild').value,
        channel_id: state.channel.id, name: state.command.name,
        options: { ...(await values()), [o.name]: input.value }, focused: o.name });
      if (!list.isConnected) input.after(list);
      list.replaceChildren(...(seen.choices ?? []).map((c) => el('option', { value: c.value }, c.name)));
    }), 200);
  });
}

async function values() {
  const found = {};
  for (const input of $('options').querySelectorAll('input,select')) {
    if (input.type === 'file') {
      const file = input.files[0];
      if (!file) continue;
      const bytes = new Uint8Array(await file.arrayBuffer());
      let text = '';
      for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
      found[input.name] = { filename: file.name, content_base64: btoa(text) };
    } else if (input.value !== '') {
      const raw = input.value;
      found[input.name] = input.tagName === 'SELECT' ? JSON.parse(raw) : input.type === 'number' ? Number(raw) : raw;
    }
  }
  return found;
}

async function members() {
  const found = await rest('GET', `/guilds/${$('guild').value}/members?limit=100`);
  const list = found.status === 200 ? found.body : [];
  $('members').replaceChildren(...list.map((m) => el('li', {}, m.nick ?? m.user.global_name ?? m.user.username,
    m.user.bot ? el('span', { className: 'badge' }, 'APP') : null)));
}

async function audit() {
  if (!$('audit-box').open) return;
  const found = await rest('GET', `/guilds/${$('guild').value}/audit-logs?limit=25`);
  if (found.status !== 200) return $('audit').replaceChildren(el('li', {}, found.body?.message ?? ''));
  const name = (id) => found.body.users.find((u) => u.id === id)?.username ?? id;
  $('audit').replaceChildren(...found.body.audit_log_entries.map((e) =>
    el('li', { title: JSON.stringify(e.changes ?? []) }, `${name(e.user_id)}: action ${e.action_type} on ${e.target_id ?? '—'}`)));
}

$('guild').onchange = () => attempt(changePlace);
$('user').onchange = () => attempt(changePlace);
$('audit-box').ontoggle = () => attempt(audit);
$('text').oninput = suggest;
$('text').onkeydown = (event) => {
  const first = $('suggestions').querySelector('button');
  if (event.key === 'Escape') { $('text').value = ''; suggest(); }
  if (first && (event.key === 'ArrowUp' || event.key === 'ArrowDown' || event.key === 'Tab')) {
    event.preventDefault();
    first.focus();
  }
};
$('suggestions').onkeydown = (event) => {
  const item = event.target.closest('li');
  const to = event.key === 'ArrowDown' ? item?.nextElementSibling : event.key === 'ArrowUp' ? item?.previousElementSibling : null;
  if (to) { event.preventDefault(); to.firstChild.focus(); }
  if (event.key === 'Escape') $('text').focus();
};
$('composer').onsubmit = (event) => {
  event.preventDefault();
  attempt(async () => {
    const content = $('text').value.trim();
    if (!content || !state.channel) return;
    const first = $('suggestions').querySelector('button');
    if (content.startsWith('/') && first) return first.click();
    const { results } = await as('say', { channel_id: state.channel.id, body: { content } });
    if (results[0].status >= 400) return notice(results[0].body?.message ?? `${results[0].status}`);
    $('text').value = '';
    notice('');
    await refresh();
  });
};
$('command').onsubmit = (event) => {
  event.preventDefault();
  attempt(async () => {
    const options = await values();
    $('command').hidden = true;
    $('text').focus();
    await interact({ kind: 'slash', name: state.command.name, options });
  });
};
$('command-cancel').onclick = () => { $('command').hidden = true; $('text').focus(); };

async function tick() {
  if (!document.hidden) {
    await attempt(async () => {
      const clock = await call('GET', '/ctl/clock');
      $('clock').textContent = `${clock.now.slice(0, 19).replace('T', ' ')}${clock.rate === 1 ? '' : ` ×${clock.rate}`}`;
      await refresh();
      await audit();
    });
  }
  setTimeout(tick, 1000);
}
attempt(start).then(tick);
