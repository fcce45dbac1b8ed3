package gen

import (
	"fmt"
	"slices"
)

// estate are the resources of one account. Some stood before the corpus begins: their creation is in no record.
type estate struct {
	vpc       string
	subnets   []string
	image     string
	group     string            // security group of the web servers
	groups    map[string]string // names of security groups, by id
	key       string            // KMS key
	instances []*instance
	volumes   []string
	snapshots []string
	databases []*database
	functions []string
	buckets   []string
	secrets   []string
	tables    []string
	queues    []string
	counter   int // makes names unique
}

type instance struct {
	id, kind, subnet, group, ip string
	stopped                     bool
	volume                      string // attached later, "" for none
}

type database struct {
	id, class, engine, version string
	multi                      bool // in two zones
}

func (w *world) buildEstate() {
	w.vpc, w.image, w.group, w.key = ec2ID(w.rng, "vpc"), ec2ID(w.rng, "ami"), ec2ID(w.rng, "sg"), uuid(w.rng)
	w.groups = map[string]string{w.group: "web"}
	for range 3 {
		w.subnets = append(w.subnets, ec2ID(w.rng, "subnet"))
		w.volumes = append(w.volumes, ec2ID(w.rng, "vol"))
	}
	for range 4 {
		w.instances = append(w.instances, w.newInstance("m7g.large", w.group))
	}
	w.databases = []*database{{"orders", "db.r7g.large", "postgres", "17.6", true}, {"catalogue", "db.t4g.medium", "mysql", "8.4.6", false}}
	w.functions = []string{"order-confirmed", "image-resize", "nightly-report"}
	w.tables, w.queues = []string{"sessions", "stock"}, []string{"orders", "emails"}
	w.secrets = []string{"orders/database", "payments/api", "mail/smtp"}
	for _, use := range []string{"logs", "assets", "exports"} {
		w.buckets = append(w.buckets, company+"-"+w.account.name+"-"+use)
	}
}

func (w *world) newInstance(kind, group string) *instance {
	return &instance{id: ec2ID(w.rng, "i"), kind: kind, subnet: pick(w.rng, w.subnets...), group: group,
		ip: fmt.Sprintf("10.%d.%d.%d", w.account.index%250, w.rng.IntN(3), 5+w.rng.IntN(240))}
}

// next returns a number that makes a name unique in the account.
func (w *world) next() int {
	w.counter++
	return w.counter
}

// drop removes the first of a value.
func drop[T comparable](of []T, v T) []T {
	if i := slices.Index(of, v); i >= 0 {
		return slices.Delete(of, i, i+1)
	}
	return of
}

func (w *world) secretARN(name string) string {
	return w.arn("secretsmanager", "secret:"+name+"-"+"aX9kQ2")
}
func (w *world) keyARN() string    { return w.arn("kms", "key/"+w.key) }
func (w *world) secret() string    { return pick(w.rng, w.secrets...) }
func (w *world) bucket() string    { return pick(w.rng, w.buckets...) }
func (w *world) server() *instance { return pick(w.rng, w.instances...) }
func (w *world) function() string  { return pick(w.rng, w.functions...) }
