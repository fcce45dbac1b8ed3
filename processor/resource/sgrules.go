package resource

import (
	"cmp"
	"slices"
	"strings"
)

// A rule of a security group is a member of kind "allows" and type "rule"; its key is "<ingress or egress> <protocol> <ports> <peer>",
// as "ingress tcp 22-22 0.0.0.0/0". The calls that change rules have a list form (ipPermissions) and a flat form; both give the
// same keys, so a rule that was added in one form can be removed in the other.

var peers = [...]*expr{
	steps(".ipRanges.items[].cidrIp"), steps(".ipv6Ranges.items[].cidrIpv6"), steps(".groups.items[].groupId"),
	steps(".groups.items[].groupName"), steps(".prefixListIds.items[].prefixListId"),
}

// steps is a path that is known to parse; one that does not is a mistake in this file.
func steps(text string) *expr {
	x, err := parsePath(text)
	if err != nil {
		panic(err)
	}
	return x
}

var permissionItems = steps("q.ipPermissions.items[]")

// securityRules lists the rules that the request names, as members.
func securityRules(s *scope, direction string) (rules []Relation) {
	permissions := permissionItems.eval(s)
	if len(permissions) == 0 {
		if rules = flatRule(s, direction); len(rules) == 0 {
			rules = answeredRules(s, direction)
		}
		return rules
	}
	for _, p := range permissions {
		prefix := direction + " " + portRange(p) + " "
		for _, path := range peers {
			for _, peer := range walk(nil, p, path.steps) {
				rules = append(rules, Relation{Kind: "allows", Type: "rule", Key: prefix + peer.text()})
			}
		}
	}
	return rules
}

var (
	flatPeer     = steps("q.cidrIp")
	flatGroup    = steps("q.sourceSecurityGroupName")
	flatProtocol = steps("q.ipProtocol")
	answerItems  = &expr{op: opFirst, args: []*expr{steps("r.securityGroupRuleSet.items[]"), steps("r.revokedSecurityGroupRuleSet.items[]")}}
	answerPeers  = [...]*expr{steps(".cidrIpv4"), steps(".cidrIpv6"), steps(".prefixListId"), steps(".referencedGroupInfo.groupId"), steps(".referencedGroupId")}
)

func flatRule(s *scope, direction string) []Relation {
	peer := cmp.Or(flatPeer.first(s), flatGroup.first(s))
	if peer == "" || flatProtocol.first(s) == "" {
		return nil
	}
	body := item{value: s.event.BlobTree(blobsOfRoots[rootRequest])}
	return []Relation{{Kind: "allows", Type: "rule", Key: direction + " " + portRange(body) + " " + peer}}
}

// answeredRules reads the rules from the response. A call that names rules by their ids has them nowhere else.
func answeredRules(s *scope, direction string) (rules []Relation) {
	for _, rule := range answerItems.eval(s) {
		for _, path := range answerPeers {
			for _, peer := range walk(nil, rule, path.steps) {
				rules = append(rules, Relation{Kind: "allows", Type: "rule", Key: direction + " " + portRange(rule) + " " + peer.text()})
			}
		}
	}
	return rules
}

// portRange is "<protocol> <from>-<to>"; the protocol -1 and an absent range mean everything.
func portRange(p item) string {
	text := func(name string) string {
		t, _ := p.value.Get(name).Text()
		return t
	}
	protocol, from, to := text("ipProtocol"), text("fromPort"), text("toPort")
	if protocol == "" || protocol == "-1" {
		return "all"
	}
	if from == "" || from == "-1" {
		return protocol
	}
	return protocol + " " + from + "-" + cmp.Or(to, from)
}

// watchedPorts are the ports whose opening to the world is worth a name of its own: remote login.
var watchedPorts = []string{"22", "3389"}

// worldPorts says which of the watched ports the group's rules open to everyone: a list, "all", or "" for none.
func worldPorts(relations []Relation) string {
	var open []string
	for _, r := range relations {
		words := strings.Fields(r.Key)
		if r.Kind != "allows" || r.Type != "rule" || len(words) < 3 || words[0] != "ingress" {
			continue
		}
		if !strings.HasSuffix(words[len(words)-1], "/0") { // 0.0.0.0/0, ::/0: whatever the address, no bit of it counts
			continue
		}
		if words[1] == "all" {
			return "all"
		}
		open = append(open, portsWithin(words)...)
	}
	slices.Sort(open)
	return strings.Join(slices.Compact(open), ",")
}

func portsWithin(words []string) (ports []string) {
	if words[1] != "tcp" && words[1] != "6" {
		return nil
	}
	from, to, ok := strings.Cut(words[2], "-")
	if len(words) == 3 || !ok {
		return watchedPorts // no range: every port
	}
	for _, port := range watchedPorts {
		if comparePorts(from, port) <= 0 && comparePorts(port, to) <= 0 {
			ports = append(ports, port)
		}
	}
	return ports
}

// comparePorts compares decimal numbers without leading zeros.
func comparePorts(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
