// discord.js on a sandbox: the line protocol of `splashtail_e2e::strangers`.

import { createInterface } from 'node:readline';
import {
  ActionRowBuilder,
  ButtonBuilder,
  ButtonStyle,
  Client,
  Events,
  GatewayIntentBits,
  LabelBuilder,
  MessageFlags,
  ModalBuilder,
  PermissionsBitField,
  SlashCommandBuilder,
  TextInputBuilder,
  TextInputStyle,
} from 'discord.js';

const WORDS = ['anchor', 'ahoy', 'buoy'];

const client = new Client({
  intents: Object.values(GatewayIntentBits).filter(Number.isInteger),
  shards: 'auto',
  // The one thing that is told to the library: where Discord is.
  rest: { api: `${process.env.SANDBOX_REST}/api` },
});

function report(event, fields) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

function entry({ id, action, executorId, targetId, reason }) {
  return { id, action, user: executorId, target: targetId, reason };
}

client.once(Events.ClientReady, () => {
  report('ready', { user: client.user.id });
  for (const guild of client.guilds.cache.values()) {
    report('guild', {
      guild: guild.id,
      name: guild.name,
      members: guild.memberCount,
      roles: guild.roles.cache.size,
      owner: guild.ownerId,
    });
  }
});
client.on(Events.MessageCreate, ({ id, channelId, author, content }) => {
  report('message', { message: id, channel: channelId, author: author.id, content });
});
client.on(Events.GuildAuditLogEntryCreate, (created) => {
  report('audit_entry', { entry: entry(created) });
});
client.on(Events.ShardResume, (shard) => report('resumed', { shard }));
client.on(Events.Error, console.error);
client.on(Events.ShardError, console.error);
client.on(Events.Warn, console.error);

const greet = new SlashCommandBuilder()
  .setName('greet')
  .setDescription('Greets someone')
  .addUserOption((o) => o.setName('who').setDescription('Whom').setRequired(true))
  .addStringOption((o) =>
    o.setName('word').setDescription('The first word').setRequired(true).setAutocomplete(true),
  )
  .addIntegerOption((o) => o.setName('times').setDescription('How often'));

client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.isAutocomplete()) {
    const typed = interaction.options.getFocused();
    const words = WORDS.filter((word) => word.startsWith(typed));
    await interaction.respond(words.map((word) => ({ name: word, value: word })));
  } else if (interaction.isChatInputCommand()) {
    await interaction.deferReply();
    const who = interaction.options.getUser('who');
    const word = interaction.options.getString('word');
    const times = interaction.options.getInteger('times') ?? 1;
    const press = new ButtonBuilder()
      .setCustomId('press')
      .setLabel('Press me')
      .setStyle(ButtonStyle.Secondary);
    await interaction.editReply({
      content: `${who} ${word} x${times}`,
      components: [new ActionRowBuilder().addComponents(press)],
    });
    await interaction.followUp({ content: 'only for you', flags: MessageFlags.Ephemeral });
    report('answered', { name: interaction.commandName });
  } else if (interaction.isButton()) {
    const reason = new TextInputBuilder().setCustomId('reason').setStyle(TextInputStyle.Short);
    const label = new LabelBuilder().setLabel('Reason').setTextInputComponent(reason);
    const why = new ModalBuilder().setCustomId('why').setTitle('Why?').addLabelComponents(label);
    await interaction.showModal(why);
  } else if (interaction.isModalSubmit()) {
    const content = `because of ${interaction.fields.getTextInputValue('reason')}`;
    await interaction.reply({ content, flags: MessageFlags.Ephemeral });
  }
});

const guildOf = (command) => client.guilds.cache.get(command.guild);
const channelOf = (command) => client.channels.fetch(command.channel);

const acts = {
  async history(command) {
    const channel = await channelOf(command);
    const ids = [];
    for (;;) {
      const page = await channel.messages.fetch({ limit: 100, before: ids.at(-1) });
      ids.push(...page.keys());
      if (page.size < 100) return ids;
    }
  },
  async chunk(command) {
    return [...(await guildOf(command).members.fetch()).keys()];
  },
  async timeout(command) {
    const member = await guildOf(command).members.fetch(command.user);
    await member.timeout(command.seconds * 1000, command.reason);
  },
  async kick(command) {
    await guildOf(command).members.kick(command.user, command.reason);
  },
  async ban(command) {
    await guildOf(command).bans.create(command.user, { reason: command.reason });
  },
  async unban(command) {
    await guildOf(command).bans.remove(command.user, command.reason);
  },
  async send(command) {
    const channel = await channelOf(command);
    return (await channel.send(command.content)).id;
  },
  async delete_message(command) {
    const channel = await channelOf(command);
    await channel.messages.delete(command.message);
  },
  async bulk_delete(command) {
    const channel = await channelOf(command);
    await channel.bulkDelete(command.messages);
  },
  async create_channel(command) {
    const { name, topic, reason } = command;
    return (await guildOf(command).channels.create({ name, topic, reason })).id;
  },
  async edit_channel(command) {
    const channel = await channelOf(command);
    await channel.edit({ topic: command.topic, reason: command.reason });
  },
  async overwrite(command) {
    const channel = await channelOf(command);
    const denied = new PermissionsBitField(BigInt(command.deny)).toArray();
    const options = Object.fromEntries(denied.map((name) => [name, false]));
    await channel.permissionOverwrites.create(command.role, options, { reason: command.reason });
  },
  async webhook(command) {
    const channel = await channelOf(command);
    const webhook = await channel.createWebhook({ name: command.name, reason: command.reason });
    return (await webhook.send(command.content)).id;
  },
  async delete_channel(command) {
    const channel = await channelOf(command);
    await channel.delete(command.reason);
  },
  async create_role(command) {
    const { name, reason } = command;
    const permissions = BigInt(command.permissions);
    return (await guildOf(command).roles.create({ name, permissions, reason })).id;
  },
  async edit_role(command) {
    const { name, reason } = command;
    await guildOf(command).roles.edit(command.role, { name, reason });
  },
  async delete_role(command) {
    await guildOf(command).roles.delete(command.role, command.reason);
  },
  async audit_log(command) {
    const log = await guildOf(command).fetchAuditLogs({ limit: 100 });
    return [...log.entries.values()].map(entry);
  },
  async register(command) {
    await guildOf(command).commands.set([greet]);
  },
};

await client.login(process.env.SANDBOX_TOKEN);
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.do === 'stop') break;
  const { n } = command;
  try {
    const result = (await acts[command.do](command)) ?? null;
    report('done', { n, result });
  } catch (error) {
    console.error(error);
    report('failed', { n, error: String(error) });
  }
}
await client.destroy();
process.exit(0);
