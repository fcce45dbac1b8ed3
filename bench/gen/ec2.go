package gen

import "fmt"

// Calls of EC2, in the forms of its records: lists are wrapped in items, times are milliseconds, newer calls have wrappers of
// their own.

func tagItems(pairs ...string) raw {
	var out []raw
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, obj("key", pairs[i], "value", pairs[i+1]))
	}
	return items(out...)
}

// runInstance starts an instance with a name and a team as its tags.
func (w *world) runInstance(c *caller, i *instance, name, team string) {
	tags := tagItems("Name", name, "team", team, "env", w.account.kind)
	params := obj("instancesSet", items(obj("imageId", w.image, "minCount", 1, "maxCount", 1)), "instanceType", i.kind,
		"blockDeviceMapping", obj(), "monitoring", obj("enabled", false), "disableApiTermination", false, "disableApiStop", false,
		"clientToken", uuid(w.rng), "subnetId", i.subnet, "groupSet", items(obj("groupId", i.group)),
		"tagSpecificationSet", items(obj("resourceType", "instance", "tags", list(obj("key", "Name", "value", name), obj("key", "team", "value", team), obj("key", "env", "value", w.account.kind)))))
	w.emit(call{by: c, source: "ec2", name: "RunInstances", params: params, response: obj("requestId", uuid(w.rng),
		"reservationId", "r-0"+hex(w.rng, 16), "ownerId", w.account.id, "groupSet", obj(), "instancesSet", items(w.instanceItem(i, tags)))})
}

func (w *world) instanceItem(i *instance, tags raw) raw {
	name, ok := w.groups[i.group]
	if !ok {
		name = "default"
	}
	group := items(obj("groupId", i.group, "groupName", name))
	return obj("instanceId", i.id, "imageId", w.image, "instanceState", obj("code", 0, "name", "pending"),
		"privateDnsName", "ip-"+dashes(i.ip)+"."+w.region+".compute.internal", "amiLaunchIndex", 0, "productCodes", obj(), "instanceType", i.kind,
		"launchTime", w.now.UnixMilli(), "placement", obj("availabilityZone", w.region+"a", "tenancy", "default"), "monitoring", obj("state", "disabled"),
		"subnetId", i.subnet, "vpcId", w.vpc, "privateIpAddress", i.ip, "stateReason", obj("code", "pending", "message", "pending"),
		"architecture", "arm64", "rootDeviceType", "ebs", "rootDeviceName", "/dev/xvda", "blockDeviceMapping", obj(), "virtualizationType", "hvm",
		"hypervisor", "xen", "tagSet", tags, "groupSet", group, "ebsOptimized", true, "enaSupport", true, "sourceDestCheck", true,
		"metadataOptions", obj("state", "pending", "httpTokens", "required", "httpPutResponseHopLimit", 2, "httpEndpoint", "enabled"))
}

func dashes(ip string) string {
	b := []byte(ip)
	for i := range b {
		if b[i] == '.' {
			b[i] = '-'
		}
	}
	return string(b)
}

// states are the numbers that EC2 gives to the states of an instance.
var states = map[string]int{"pending": 0, "running": 16, "shutting-down": 32, "stopping": 64, "stopped": 80}

// turn stops, starts or terminates an instance.
func (w *world) turn(c *caller, name string, i *instance, from, to string) {
	state := func(s string) raw { return obj("code", states[s], "name", s) }
	w.emit(call{by: c, source: "ec2", name: name, params: obj("instancesSet", items(obj("instanceId", i.id))),
		response: obj("requestId", uuid(w.rng), "instancesSet", items(obj("instanceId", i.id, "currentState", state(to), "previousState", state(from))))})
}

func (w *world) terminate(c *caller, i *instance) {
	from := "running"
	if i.stopped {
		from = "stopped"
	}
	w.turn(c, "TerminateInstances", i, from, "shutting-down")
	w.instances = drop(w.instances, i)
}

func (w *world) snapshot(c *caller, volume, description string) string {
	id := ec2ID(w.rng, "snap")
	w.emit(call{by: c, source: "ec2", name: "CreateSnapshot", params: obj("volumeId", volume, "description", description),
		response: obj("requestId", uuid(w.rng), "snapshotId", id, "volumeId", volume, "status", "pending", "startTime", w.now.UnixMilli(),
			"ownerId", w.account.id, "volumeSize", "100", "description", description, "encrypted", true, "tagSet", obj())})
	w.snapshots = append(w.snapshots, id)
	return id
}

// ok is the answer of EC2 calls that only succeed.
func (w *world) ok() raw { return obj("requestId", uuid(w.rng), "_return", true) }

// openPort adds a rule to a security group.
func (w *world) openPort(c *caller, group string, port int, from string) {
	rule := obj("ipProtocol", "tcp", "fromPort", port, "toPort", port, "groups", obj(), "ipRanges", items(obj("cidrIp", from)), "ipv6Ranges", obj(), "prefixListIds", obj())
	made := obj("groupOwnerId", w.account.id, "groupId", group, "securityGroupRuleId", ec2ID(w.rng, "sgr"), "isEgress", false, "ipProtocol", "tcp", "fromPort", port, "toPort", port, "cidrIpv4", from)
	w.emit(call{by: c, source: "ec2", name: "AuthorizeSecurityGroupIngress", params: obj("groupId", group, "ipPermissions", items(rule)),
		response: obj("requestId", uuid(w.rng), "_return", true, "securityGroupRuleSet", items(made))})
}

func (w *world) closePort(c *caller, group string, port int, from string) {
	rule := obj("ipProtocol", "tcp", "fromPort", port, "toPort", port, "groups", obj(), "ipRanges", items(obj("cidrIp", from)), "ipv6Ranges", obj(), "prefixListIds", obj())
	w.emit(call{by: c, source: "ec2", name: "RevokeSecurityGroupIngress", params: obj("groupId", group, "ipPermissions", items(rule)),
		response: obj("requestId", uuid(w.rng), "_return", true)})
}

func (w *world) newGroup(c *caller, name string) string {
	id := ec2ID(w.rng, "sg")
	w.groups[id] = name
	w.emit(call{by: c, source: "ec2", name: "CreateSecurityGroup", params: obj("groupName", name, "groupDescription", name, "vpcId", w.vpc),
		response: obj("requestId", uuid(w.rng), "_return", true, "groupId", id, "securityGroupArn", w.arn("ec2", "security-group/"+id))})
	return id
}

// developmentBox is a machine that somebody needs for a few hours, with a disk and a security group of its own.
func developmentBox(w *world) {
	c := w.anyone()
	name := fmt.Sprintf("dev-%s-%d", pick(w.rng, w.staff.people...).name, w.next())
	group := w.newGroup(c, name)
	i := w.newInstance(pick(w.rng, "t4g.medium", "t4g.large", "m7g.large"), group)
	w.soon(func() { w.openPort(c, group, 22, "203.0.113.0/24") })
	w.after(50, func() {
		w.runInstance(c, i, name, "web")
		w.instances = append(w.instances, i)
	})
	w.after(130, func() { w.attachDisk(c, i) })
	if w.chance(50) {
		w.after(3000+w.rng.IntN(3000), func() { w.pause(c, i) })
	}
	w.after(3*3600+w.rng.IntN(3*3600), func() { w.clearBox(i, group) })
}

// pause stops an instance over lunch, and starts it as another type now and then.
func (w *world) pause(c *caller, i *instance) {
	w.turn(c, "StopInstances", i, "running", "stopping")
	i.stopped = true
	if w.chance(40) {
		w.after(120, func() {
			i.kind = pick(w.rng, "t4g.large", "t4g.xlarge", "c7g.large")
			w.emit(call{by: c, source: "ec2", name: "ModifyInstanceAttribute", params: obj("instanceId", i.id, "instanceType", obj("value", i.kind)), response: w.ok()})
		})
	}
	w.after(1800+w.rng.IntN(1800), func() {
		w.turn(c, "StartInstances", i, "stopped", "pending")
		i.stopped = false
	})
}

func (w *world) attachDisk(c *caller, i *instance) {
	i.volume = ec2ID(w.rng, "vol")
	size := pick(w.rng, "50", "100", "200")
	w.emit(call{by: c, source: "ec2", name: "CreateVolume", params: obj("size", size, "zone", w.region+"a", "volumeType", "gp3", "encrypted", true, "clientToken", uuid(w.rng)),
		response: obj("requestId", uuid(w.rng), "volumeId", i.volume, "size", size, "zone", w.region+"a", "status", "creating", "createTime", w.now.UnixMilli(),
			"volumeType", "gp3", "iops", 3000, "encrypted", true, "tagSet", obj(), "multiAttachEnabled", false)})
	w.after(15, func() {
		w.emit(call{by: c, source: "ec2", name: "AttachVolume", params: obj("volumeId", i.volume, "instanceId", i.id, "device", "/dev/sdf", "deleteOnTermination", false),
			response: obj("requestId", uuid(w.rng), "volumeId", i.volume, "instanceId", i.id, "device", "/dev/sdf", "status", "attaching", "attachTime", w.now.UnixMilli(), "deleteOnTermination", false)})
	})
	w.after(40, func() {
		w.emit(call{by: c, source: "ec2", name: "CreateTags", params: obj("resourcesSet", items(obj("resourceId", i.volume)), "tagSet", tagItems("owner", c.owner())), response: w.ok()})
	})
}

// owner is what people write into an owner tag: the part of the session's name before the @.
func (c *caller) owner() string {
	name := c.principal
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == ':' {
			name = name[i+1:]
			break
		}
	}
	for i := range name {
		if name[i] == '@' {
			return name[:i]
		}
	}
	return name
}

// clearBox removes what developmentBox made, in the order that AWS demands.
func (w *world) clearBox(i *instance, group string) {
	c := w.anyone()
	volume := i.volume
	w.terminate(c, i)
	if volume != "" {
		w.after(60, func() {
			w.emit(call{by: c, source: "ec2", name: "DeleteVolume", params: obj("volumeId", volume), response: w.ok()})
		})
	}
	w.after(75, func() {
		delete(w.groups, group)
		w.emit(call{by: c, source: "ec2", name: "DeleteSecurityGroup", params: obj("groupId", group), response: obj("requestId", uuid(w.rng), "_return", true, "groupId", group)})
	})
}

// newImage makes an image of a server before a release.
func newImage(w *world) {
	c := w.pipeline()
	name := fmt.Sprintf("web-%s-%d", w.now.Format("20060102"), w.next())
	i := w.server()
	w.emit(call{by: c, source: "ec2", name: "CreateImage", params: obj("instanceId", i.id, "name", name, "noReboot", true),
		response: obj("requestId", uuid(w.rng), "imageId", ec2ID(w.rng, "ami"))})
}

// portForPartner opens a port to a partner's network for an afternoon.
func portForPartner(w *world) {
	c := w.admin()
	w.openPort(c, w.group, 8443, "192.0.2.0/26")
	w.after(2*3600, func() { w.closePort(c, w.group, 8443, "192.0.2.0/26") })
}
