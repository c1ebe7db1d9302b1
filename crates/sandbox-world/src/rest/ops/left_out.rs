//! Operations of Discord's description that the sandbox does not have: they answer 404. Every other
//! one is in the route table; a test holds the two together.

/// Operation ids, by subject.
pub const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "what applications sell",
        &[
            "get_entitlements",
            "create_entitlement",
            "get_entitlement",
            "delete_entitlement",
            "consume_entitlement",
            "get_sku_subscriptions",
            "get_sku_subscription",
            "get_current_user_application_entitlements",
        ],
    ),
    (
        "activities and linked roles",
        &[
            "update_application",
            "applications_get_activity_instance",
            "upload_application_attachment",
            "get_application_role_connections_metadata",
            "update_application_role_connections_metadata",
            "get_application_user_role_connection",
            "update_application_user_role_connection",
            "delete_application_user_role_connection",
        ],
    ),
    (
        "group messages",
        &["add_group_dm_user", "delete_group_dm_user"],
    ),
    ("playing sounds", &["send_soundboard_sound"]),
    ("search of threads", &["thread_search"]),
    ("the server guide", &["get_guild_new_member_welcome"]),
    ("widgets", &["get_guild_widget", "get_guild_widget_png"]),
    (
        "invites for certain people",
        &[
            "get_invite_target_users",
            "update_invite_target_users",
            "get_invite_target_users_job_status",
        ],
    ),
    (
        "lobbies",
        &[
            "create_or_join_lobby",
            "create_lobby",
            "get_lobby",
            "delete_lobby",
            "edit_lobby",
            "edit_lobby_channel_link",
            "leave_lobby",
            "create_linked_lobby_guild_invite_for_self",
            "bulk_update_lobby_members",
            "add_lobby_member",
            "delete_lobby_member",
            "create_linked_lobby_guild_invite_for_user",
            "get_lobby_messages",
            "create_lobby_message",
            "update_lobby_message_external_moderation_metadata",
        ],
    ),
    (
        "the partners' SDK",
        &[
            "update_user_message_external_moderation_metadata",
            "partner_sdk_unmerge_provisional_account",
            "bot_partner_sdk_unmerge_provisional_account",
            "partner_sdk_token",
            "bot_partner_sdk_token",
        ],
    ),
    (
        "OpenID Connect",
        &["get_public_keys", "get_openid_connect_userinfo"],
    ),
    (
        "webhooks in the form of other services",
        &[
            "execute_github_compatible_webhook",
            "execute_slack_compatible_webhook",
        ],
    ),
];
