"""discord.py on a sandbox: the line protocol of `splashtail_e2e::strangers`."""

import asyncio
import datetime
import json
import os
import sys
import traceback
import urllib.request

import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

# The one thing that is told to the library: where Discord is. The gateway's address it asks for,
# except after an invalid session, when it takes the one it was written with.
Route.BASE = os.environ["SANDBOX_REST"] + "/api/v10"
agent = {"User-Agent": "DiscordBot (https://example.invalid, 1)"}
with urllib.request.urlopen(urllib.request.Request(Route.BASE + "/gateway", headers=agent)) as answer:
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(json.load(answer)["url"])

WORDS = ["anchor", "ahoy", "buoy"]


def report(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def entry(entry):
    target = None if entry.target is None else str(entry.target.id)
    return {
        "id": str(entry.id),
        "action": entry.action.value,
        "user": str(entry.user_id),
        "target": target,
        "reason": entry.reason,
    }


class Why(discord.ui.Modal, title="Why?"):
    reason = discord.ui.TextInput(label="Reason", custom_id="reason")

    async def on_submit(self, interaction):
        await interaction.response.send_message(f"because of {self.reason.value}", ephemeral=True)


class Press(discord.ui.View):
    @discord.ui.button(label="Press me", custom_id="press")
    async def press(self, interaction, button):
        await interaction.response.send_modal(Why(custom_id="why"))


@app_commands.command(description="Greets someone")
@app_commands.describe(who="Whom", word="The first word", times="How often")
async def greet(interaction: discord.Interaction, who: discord.User, word: str, times: int = 1):
    await interaction.response.defer()
    await interaction.edit_original_response(
        content=f"{who.mention} {word} x{times}", view=Press(timeout=None)
    )
    await interaction.followup.send("only for you", ephemeral=True)
    report("answered", name="greet")


@greet.autocomplete("word")
async def words(interaction, typed):
    return [app_commands.Choice(name=w, value=w) for w in WORDS if w.startswith(typed)]


class Client(discord.AutoShardedClient):
    def __init__(self):
        super().__init__(
            intents=discord.Intents.all(), chunk_guilds_at_startup=False, guild_ready_timeout=0.5
        )
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self):
        self.commands = asyncio.create_task(self.obey())

    async def before_identify_hook(self, shard_id, *, initial=False):
        """By default shards start 5 s apart; the sandbox announces a max_concurrency of 16."""

    async def on_ready(self):
        report("ready", user=str(self.user.id))
        for guild in self.guilds:
            report(
                "guild",
                guild=str(guild.id),
                name=guild.name,
                members=guild.member_count,
                roles=len(guild.roles),
                owner=str(guild.owner_id),
            )

    async def on_message(self, message):
        report(
            "message",
            message=str(message.id),
            channel=str(message.channel.id),
            author=str(message.author.id),
            content=message.content,
        )

    async def on_audit_log_entry_create(self, created):
        report("audit_entry", entry=entry(created))

    async def on_shard_resumed(self, shard_id):
        report("resumed", shard=shard_id)

    async def obey(self):
        """Runs the commands on stdin, one after the other."""
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            command = json.loads(line)
            if command["do"] == "stop":
                break
            try:
                act = getattr(self, "do_" + command["do"])
                report("done", n=command["n"], result=await act(command))
            except Exception as error:
                traceback.print_exc()
                report("failed", n=command["n"], error=repr(error))
        await self.close()

    def guild(self, command):
        return self.get_guild(int(command["guild"]))

    # What was just created may be missing in the cache, which events fill.

    async def channel(self, command):
        id = int(command["channel"])
        return self.get_channel(id) or await self.fetch_channel(id)

    async def role(self, command):
        guild, id = self.guild(command), int(command["role"])
        return guild.get_role(id) or await guild.fetch_role(id)

    async def do_history(self, command):
        channel = await self.channel(command)
        history = channel.history(limit=None)
        return [str(message.id) async for message in history]

    async def do_chunk(self, command):
        members = await self.guild(command).chunk(cache=False)
        return [str(member.id) for member in members]

    async def do_timeout(self, command):
        member = await self.guild(command).fetch_member(int(command["user"]))
        await member.timeout(
            datetime.timedelta(seconds=command["seconds"]), reason=command["reason"]
        )

    async def do_kick(self, command):
        user = discord.Object(int(command["user"]))
        await self.guild(command).kick(user, reason=command["reason"])

    async def do_ban(self, command):
        user = discord.Object(int(command["user"]))
        await self.guild(command).ban(user, reason=command["reason"], delete_message_seconds=0)

    async def do_unban(self, command):
        user = discord.Object(int(command["user"]))
        await self.guild(command).unban(user, reason=command["reason"])

    async def do_send(self, command):
        channel = await self.channel(command)
        message = await channel.send(command["content"])
        return str(message.id)

    async def do_delete_message(self, command):
        channel = await self.channel(command)
        await channel.get_partial_message(int(command["message"])).delete()

    async def do_bulk_delete(self, command):
        messages = [discord.Object(int(id)) for id in command["messages"]]
        channel = await self.channel(command)
        await channel.delete_messages(messages)

    async def do_create_channel(self, command):
        channel = await self.guild(command).create_text_channel(
            command["name"], topic=command["topic"], reason=command["reason"]
        )
        return str(channel.id)

    async def do_edit_channel(self, command):
        channel = await self.channel(command)
        await channel.edit(topic=command["topic"], reason=command["reason"])

    async def do_overwrite(self, command):
        channel = await self.channel(command)
        overwrite = discord.PermissionOverwrite.from_pair(
            discord.Permissions(0), discord.Permissions(int(command["deny"]))
        )
        role = await self.role(command)
        await channel.set_permissions(role, overwrite=overwrite, reason=command["reason"])

    async def do_webhook(self, command):
        channel = await self.channel(command)
        webhook = await channel.create_webhook(name=command["name"], reason=command["reason"])
        message = await webhook.send(command["content"], wait=True)
        return str(message.id)

    async def do_delete_channel(self, command):
        channel = await self.channel(command)
        await channel.delete(reason=command["reason"])

    async def do_create_role(self, command):
        role = await self.guild(command).create_role(
            name=command["name"],
            permissions=discord.Permissions(int(command["permissions"])),
            reason=command["reason"],
        )
        return str(role.id)

    async def do_edit_role(self, command):
        role = await self.role(command)
        await role.edit(name=command["name"], reason=command["reason"])

    async def do_delete_role(self, command):
        role = await self.role(command)
        await role.delete(reason=command["reason"])

    async def do_audit_log(self, command):
        log = self.guild(command).audit_logs(limit=None)
        return [entry(e) async for e in log]

    async def do_register(self, command):
        guild = discord.Object(int(command["guild"]))
        self.tree.add_command(greet, guild=guild)
        await self.tree.sync(guild=guild)


Client().run(os.environ["SANDBOX_TOKEN"])
