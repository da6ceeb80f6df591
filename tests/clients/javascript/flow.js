// The core of the cross-tenant flow, done by Microsoft's clients for JavaScript against `twinspan sim`.
//
//     twinspan sim --ready-world --listen 127.0.0.1:0 --ready ready.json &
//     NODE_EXTRA_CA_CERTS=CA-FILE-OF-THE-READY-FILE node tests/clients/javascript/flow.js ready.json

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import process from "node:process";

import { NetworkManagementClient } from "@azure/arm-network";
import { auxiliaryAuthenticationHeaderPolicy } from "@azure/core-rest-pipeline";
import { ClientSecretCredential } from "@azure/identity";

const ready = JSON.parse(await readFile(process.argv[2], "utf8"));
const { central, target } = ready.tenants;
const scope = `${ready.arm}//.default`;
const group = central.resource_group;
const manager = central.network_manager;
const managerId =
  `/subscriptions/${central.subscription}/resourceGroups/${group}/providers/Microsoft.Network/networkManagers/${manager}`;

let passed = 0;
let scenes = 0;
const failed = [];

async function scene(name, play) {
  scenes += 1;
  const before = passed;
  try {
    await play();
    console.log(`ok      ${name}: ${passed - before} checks`);
  } catch (error) {
    failed.push(name);
    console.log(`FAILED  ${name}\n        ${error.stack ?? error}`);
  }
}

function equal(what, got, wanted) {
  assert.deepEqual(got, wanted, what);
  passed += 1;
}

async function refused(what, call, status, code) {
  let error;
  try {
    await call();
  } catch (caught) {
    error = caught;
  }
  assert.ok(error, `${what}: was not refused`);
  equal(what, [error.statusCode, error.code], [status, code]);
  return error;
}

function credential(tenant, secret = ready.client_secret) {
  return new ClientSecretCredential(tenant, ready.client_id, secret, {
    authorityHost: ready.login,
    disableInstanceDiscovery: true,
  });
}

function client(tenant, subscription, auxiliary = []) {
  const policy = auxiliaryAuthenticationHeaderPolicy({ credentials: auxiliary, scopes: scope });
  return new NetworkManagementClient(credential(tenant), subscription, {
    endpoint: ready.arm,
    credentialScopes: [scope],
    additionalPolicies: auxiliary.length > 0 ? [{ policy, position: "perRetry" }] : [],
  });
}

async function control(path, body) {
  const answer = await fetch(`${ready.arm}/_sim/${path}`, { method: "POST", body: JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
}

/** Returns what each read returned, until `done` accepts one; advances the simulator's clock between the reads. */
async function eventually(read, done) {
  const seen = [];
  for (let look = 0; look < 20; look += 1) {
    seen.push(await read());
    if (done(seen.at(-1))) break;
    await control("clock", { advance: "1s" });
  }
  return seen;
}

async function all(pages) {
  const sizes = [];
  const names = [];
  for await (const page of pages.byPage()) {
    sizes.push(page.length);
    names.push(...page.map((item) => item.name));
  }
  return { sizes, names };
}

const ours = client(central.id, central.subscription);
const both = client(central.id, central.subscription, [credential(target.id)]);
const theirs = client(target.id, target.subscription);
const network = target.virtual_networks[0];

await scene("sign-in is refused with Entra's messages", async () => {
  await assert.rejects(credential(central.id, "not-the-secret").getToken(scope), /AADSTS7000215/);
  passed += 1;
  const foreign = client(central.id, target.subscription);
  await refused("a token of another tenant", () => foreign.virtualNetworks.get("rg-app", "vnet-app"), 401,
    "InvalidAuthenticationTokenTenant");
});

await scene("both sides become Connected, after the response", async () => {
  await refused("before", () => ours.scopeConnections.get(group, manager, "js"), 404, "NotFound");
  const half = await ours.scopeConnections.createOrUpdate(group, manager, "js", {
    tenantId: target.id,
    resourceId: `/subscriptions/${target.subscription}`,
  });
  equal("the scope connection", [half.connectionState, half.description], ["Pending", ""]);
  await control("clock", { advance: "1m" });
  const waiting = await ours.scopeConnections.get(group, manager, "js");
  equal("the scope connection alone, a minute later", waiting.connectionState, "Pending");
  const connections = theirs.subscriptionNetworkManagerConnections;
  const other = await connections.createOrUpdate("js", { networkManagerId: managerId });
  equal("the network manager connection", other.connectionState, "Pending");
  const states = await eventually(
    async () => [
      (await ours.scopeConnections.get(group, manager, "js")).connectionState,
      (await connections.get("js")).connectionState,
    ],
    (pair) => pair.every((state) => state === "Connected"),
  );
  equal("both", states.at(-1), ["Connected", "Connected"]);
  const found = await ours.networkManagers.get(group, manager);
  equal("other tenants' scopes", found.networkManagerScopes.crossTenantScopes, [
    { tenantId: target.id, managementGroups: [], subscriptions: [`/subscriptions/${target.subscription}`] },
  ]);
});

await scene("groups are listed in pages, and an empty body creates one", async () => {
  const names = Array.from({ length: 21 }, (_, n) => `ng-js-${String(n).padStart(2, "0")}`);
  for (const name of names) {
    await ours.networkGroups.createOrUpdate(group, manager, name, {});
  }
  const listed = await all(ours.networkGroups.list(group, manager));
  equal("names", listed.names.toSorted(), names);
  equal("pages", listed.sizes, [20, 1]);
  equal("pages of 8", (await all(ours.networkGroups.list(group, manager, { top: 8 }))).sizes, [8, 8, 5]);
  for (const name of names.slice(1)) {
    await ours.networkGroups.beginDeleteAndWait(group, manager, name);
  }
  equal("remaining", (await all(ours.networkGroups.list(group, manager))).names, names.slice(0, 1));
});

await scene("a member of another tenant needs that tenant's token too", async () => {
  const at = [group, manager, "ng-js-00", "vnet-app"];
  const error = await refused("without it", () => ours.staticMembers.createOrUpdate(...at, { resourceId: network }),
    403, "LinkedAuthorizationFailed");
  assert.match(error.message, new RegExp(`current tenant '${central.id}' is not authorized to access linked`));
  passed += 1;
  const made = await both.staticMembers.createOrUpdate(...at, { resourceId: network });
  equal("with it", [made.provisioningState, made.resourceId], ["Updating", network]);
  const states = await eventually(
    async () => (await both.staticMembers.get(...at)).provisioningState,
    (state) => state !== "Updating",
  );
  equal("in the end", states.at(-1), "Succeeded");
  const listed = await all(both.staticMembers.list(group, manager, "ng-js-00"));
  equal("listed", listed.names, ["vnet-app"]);
});

await scene("a mesh is deployed and effective", async () => {
  const made = await ours.connectivityConfigurations.createOrUpdate(group, manager, "cc-js", {
    connectivityTopology: "Mesh",
    appliesToGroups: [
      { networkGroupId: `${managerId}/networkGroups/ng-js-00`, groupConnectivity: "DirectlyConnected" },
    ],
  });
  const commit = { targetLocations: ["westeurope"], configurationIds: [made.id], commitType: "Connectivity" };
  await ours.networkManagerCommits.beginPostAndWait(group, manager, commit);
  const read = async () => {
    const listed = await ours.networkManagerDeploymentStatusOperations.list(group, manager, {
      regions: ["westeurope"],
      deploymentTypes: ["Connectivity"],
    });
    return listed.value.map((status) => [status.deploymentStatus, status.configurationIds]);
  };
  const seen = await eventually(read, (states) => states[0]?.[0] === "Deployed");
  equal("deployed", seen.at(-1), [["Deployed", [made.id]]]);
  const parts = network.split("/");
  const effective = await theirs.listNetworkManagerEffectiveConnectivityConfigurations(parts[4], parts.at(-1), {});
  equal("effective", effective.value.map((item) => item.id), [made.id]);
  await ours.networkManagerCommits.beginPostAndWait(group, manager, { ...commit, configurationIds: [] });
  await ours.connectivityConfigurations.beginDeleteAndWait(group, manager, "cc-js");
});

await scene("everything is deleted", async () => {
  await ours.staticMembers.delete(group, manager, "ng-js-00", "vnet-app");
  await ours.networkGroups.beginDeleteAndWait(group, manager, "ng-js-00", { force: true });
  equal("groups", (await all(ours.networkGroups.list(group, manager))).names, []);
  await ours.scopeConnections.delete(group, manager, "js");
  const connections = theirs.subscriptionNetworkManagerConnections;
  equal("the remaining side", (await connections.get("js")).connectionState, "Revoked");
  await connections.delete("js");
  await refused("after", () => connections.get("js"), 404, "NotFound");
});

const failures = failed.length > 0 ? `, ${failed.length} scenes failed: ${failed.join(", ")}` : "";
console.log(`${passed} checks passed in ${scenes} scenes${failures}`);
process.exitCode = failed.length > 0 ? 1 : 0;
