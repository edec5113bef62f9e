"""A Discord of its own on loopback: the bot without an account, a token or a public server.

SimCord models the world (guilds, permissions, messages, interactions, Components V2); this
package serves it over real HTTP and WebSocket, so that the unmodified bot runs against it in its
own process. ``server.Sandbox`` is the way in; ``docs/sandbox.md`` is the manual.

``simcord_host`` is the only module that touches SimCord's internals.
"""
