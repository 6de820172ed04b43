"""Facts about virtual networks, private endpoints and private DNS.

Sources: azurerm's network and privatedns services, 5.x; that a subnet lies in its network and overlaps no other is Azure's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from standin.facts.model import PLACE, Facts, Values, World, blocks

SUBNET = "Microsoft.Network/virtualNetworks/subnets"


def _ranges(values: Values, name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(text) for text in values.get(name) or []]


def _network_plan(values: Values, prior: Values | None) -> Iterator[str]:
    for name in ("address_space", "address_prefixes"):
        for text in values.get(name) or [] if isinstance(values.get(name), list) else []:
            try:
                ipaddress.ip_network(text if isinstance(text, str) else "0.0.0.0/0")
            except ValueError as wrong:
                yield f"{name}: {wrong}"


def _subnet_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    own = _ranges(values, "address_prefixes")
    where = (values["resource_group_name"], values["virtual_network_name"])
    for network in world.all("azurerm_virtual_network"):
        if (network["resource_group_name"], network["name"]) != where:
            continue
        space = _ranges(network, "address_space")
        for part in own:
            if not any(part.version == whole.version and part.subnet_of(whole) for whole in space):  # type: ignore[arg-type]
                yield f"NetcfgInvalidSubnet: subnet {values['name']!r} ({part}) is not within virtual network {network['name']!r}"
    for other in world.all("azurerm_subnet"):
        if (other["resource_group_name"], other["virtual_network_name"]) == where and other["name"] != values["name"]:
            for part in own:
                if any(part.overlaps(taken) for taken in _ranges(other, "address_prefixes")):
                    yield f"NetcfgSubnetRangesOverlap: subnet {values['name']!r} ({part}) overlaps with subnet {other['name']!r}"


def _endpoint_plan(values: Values, prior: Values | None) -> Iterator[str]:
    for connection in blocks(values, "private_service_connection"):
        manual, message = connection.get("is_manual_connection"), connection.get("request_message")
        if manual is True and not message:
            yield "`private_service_connection`: `request_message` must be set when `is_manual_connection` is true"
        if manual is False and message:
            yield "`private_service_connection`: `request_message` can only be set when `is_manual_connection` is true"
        targets = ("private_connection_resource_id", "private_connection_resource_alias")
        if all(connection.get(name) is None for name in targets):
            yield f"`private_service_connection`: one of {', '.join(targets)} must be set"


FACTS: Mapping[str, Facts] = {
    "azurerm_virtual_network": Facts(
        id="{group}/providers/Microsoft.Network/virtualNetworks/{name}",
        force_new=(*PLACE, "edge_zone"),
        defaults={"private_endpoint_vnet_policies": "Disabled"},
        computed={"guid": "{uuid}", "subnet": lambda it: [], "dns_servers": lambda it: []},
        plan_rules=(_network_plan,),
    ),
    "azurerm_subnet": Facts(
        id="{group}/providers/Microsoft.Network/virtualNetworks/{virtual_network_name}/subnets/{name}",
        force_new=("name", "resource_group_name", "virtual_network_name"),
        defaults={
            "default_outbound_access_enabled": True,
            "private_endpoint_network_policies": "Disabled",
            "private_link_service_network_policies_enabled": True,
        },
        computed={"network_security_group_id": lambda it: "", "route_table_id": lambda it: ""},
        choices={
            "private_endpoint_network_policies": (
                "Disabled",
                "Enabled",
                "NetworkSecurityGroupEnabled",
                "RouteTableEnabled",
            )
        },
        plan_rules=(_network_plan,),
        apply_rules=(_subnet_apply,),
    ),
    "azurerm_network_security_group": Facts(
        id="{group}/providers/Microsoft.Network/networkSecurityGroups/{name}",
        force_new=PLACE,
        computed={"security_rule": lambda it: []},
    ),
    "azurerm_network_security_rule": Facts(
        id="{group}/providers/Microsoft.Network/networkSecurityGroups/{network_security_group_name}/securityRules/{name}",
        force_new=("name", "resource_group_name", "network_security_group_name"),
        choices={"access": ("Allow", "Deny"), "direction": ("Inbound", "Outbound")},
        ranges={"priority": (100, 4096)},
    ),
    "azurerm_subnet_network_security_group_association": Facts(
        id="{subnet_id}",
        force_new=("subnet_id", "network_security_group_id"),
        ids={"subnet_id": SUBNET, "network_security_group_id": "Microsoft.Network/networkSecurityGroups"},
    ),
    "azurerm_private_dns_zone": Facts(
        id="{group}/providers/Microsoft.Network/privateDnsZones/{name}",
        force_new=("name", "resource_group_name"),
        computed={
            "max_number_of_record_sets": lambda it: 25000,
            "max_number_of_virtual_network_links": lambda it: 1000,
            "max_number_of_virtual_network_links_with_registration": lambda it: 100,
            "number_of_record_sets": lambda it: 1,
        },
        computed_blocks={"soa_record": lambda it: []},
    ),
    "azurerm_private_dns_zone_virtual_network_link": Facts(
        id="{private_dns_zone_id}/virtualNetworkLinks/{name}",
        force_new=("name", "private_dns_zone_id", "virtual_network_id"),
        defaults={"registration_enabled": False},
        computed={"resolution_policy": "Default"},
        choices={"resolution_policy": ("Default", "NxDomainRedirect")},
        ids={
            "private_dns_zone_id": "Microsoft.Network/privateDnsZones",
            "virtual_network_id": "Microsoft.Network/virtualNetworks",
        },
    ),
    "azurerm_private_dns_a_record": Facts(
        id="{private_dns_zone_id}/A/{name}",
        force_new=("name", "private_dns_zone_id"),
        computed={"fqdn": lambda it: f"{it['name']}.{it['private_dns_zone_id'].rsplit('/', 1)[1]}."},
        ids={"private_dns_zone_id": "Microsoft.Network/privateDnsZones"},
    ),
    "azurerm_private_endpoint": Facts(
        id="{group}/providers/Microsoft.Network/privateEndpoints/{name}",
        force_new=(
            *PLACE,
            "subnet_id",
            "edge_zone",
            "custom_network_interface_name",
            "private_service_connection.name",
            "private_service_connection.is_manual_connection",
            "private_service_connection.private_connection_resource_id",
            "private_service_connection.subresource_names",
        ),
        computed={
            "network_interface": lambda it: [
                {"id": f"{it['group']}/providers/Microsoft.Network/networkInterfaces/{it['name']}", "name": it["name"]}
            ],
            "custom_dns_configs": lambda it: [],
            "private_dns_zone_configs": lambda it: [],
            "private_service_connection.private_ip_address": "10.0.0.4",
            "private_dns_zone_group.id": lambda it: f"{it['id']}/privateDnsZoneGroups/{it['block']['name']}",
        },
        ids={
            "subnet_id": SUBNET,
            "private_service_connection.private_connection_resource_id": "*",
            "private_dns_zone_group.private_dns_zone_ids": "Microsoft.Network/privateDnsZones",
        },
        plan_rules=(_endpoint_plan,),
    ),
}
