package gen

import "fmt"

// databaseResponse is the description of a database that RDS puts into the response of every change.
func (w *world) databaseResponse(d *database, status string) raw {
	return obj("dBInstanceIdentifier", d.id, "dBInstanceClass", d.class, "engine", d.engine, "engineVersion", d.version, "dBInstanceStatus", status,
		"masterUsername", "owner", "allocatedStorage", 100, "preferredBackupWindow", "02:00-02:30", "backupRetentionPeriod", 7,
		"dBSecurityGroups", list(), "vpcSecurityGroups", list(obj("vpcSecurityGroupId", w.group, "status", "active")),
		"dBParameterGroups", list(obj("dBParameterGroupName", "default."+d.engine, "parameterApplyStatus", "in-sync")),
		"dBSubnetGroup", obj("dBSubnetGroupName", "private", "vpcId", w.vpc, "subnetGroupStatus", "Complete"),
		"multiAZ", d.multi, "autoMinorVersionUpgrade", true, "publiclyAccessible", false, "storageType", "gp3", "storageEncrypted", true,
		"kmsKeyId", w.keyARN(), "dbiResourceId", "db-"+text(w.rng, base32, 26), "deletionProtection", false, "tagList", list(obj("key", "team", "value", "orders")),
		"dBInstanceArn", w.arn("rds", "db:"+d.id), "pendingModifiedValues", obj())
}

// trialDatabase is a database for a test: made, enlarged, saved, removed.
func trialDatabase(w *world) {
	c := w.anyone()
	d := &database{id: fmt.Sprintf("trial-%d", w.next()), class: "db.t4g.medium", engine: pick(w.rng, "postgres", "mysql"), version: "17.6"}
	if d.engine == "mysql" {
		d.version = "8.4.6"
	}
	w.emit(call{by: c, source: "rds", name: "CreateDBInstance", params: obj("dBInstanceIdentifier", d.id, "dBInstanceClass", d.class, "engine", d.engine,
		"engineVersion", d.version, "masterUsername", "owner", "masterUserPassword", "****", "allocatedStorage", 100, "storageEncrypted", true,
		"multiAZ", false, "publiclyAccessible", false, "vpcSecurityGroupIds", []string{w.group}, "dBSubnetGroupName", "private",
		"tags", list(obj("key", "team", "value", "orders"))), response: w.databaseResponse(d, "creating")})
	w.databases = append(w.databases, d)
	w.after(1500+w.rng.IntN(1800), func() { w.enlarge(c, d) })
	w.after(2*3600+w.rng.IntN(2*3600), func() { w.saveDatabase(c, d, fmt.Sprintf("%s-final", d.id)) })
	w.after(4*3600+w.rng.IntN(2*3600), func() {
		w.databases = drop(w.databases, d)
		w.emit(call{by: w.anyone(), source: "rds", name: "DeleteDBInstance", params: obj("dBInstanceIdentifier", d.id, "skipFinalSnapshot", true, "deleteAutomatedBackups", true),
			response: w.databaseResponse(d, "deleting")})
	})
}

func (w *world) enlarge(c *caller, d *database) {
	d.class = "db.r7g.large"
	w.emit(call{by: c, source: "rds", name: "ModifyDBInstance", params: obj("dBInstanceIdentifier", d.id, "dBInstanceClass", d.class, "applyImmediately", true),
		response: w.databaseResponse(d, "available")})
}

func (w *world) saveDatabase(c *caller, d *database, snapshot string) {
	w.emit(call{by: c, source: "rds", name: "CreateDBSnapshot", params: obj("dBSnapshotIdentifier", snapshot, "dBInstanceIdentifier", d.id),
		response: obj("dBSnapshotIdentifier", snapshot, "dBInstanceIdentifier", d.id, "engine", d.engine, "status", "creating", "allocatedStorage", 100,
			"vpcId", w.vpc, "snapshotType", "manual", "encrypted", true, "kmsKeyId", w.keyARN(), "dBSnapshotArn", w.arn("rds", "snapshot:"+snapshot), "percentProgress", 0)})
}

func databaseBackup(w *world) {
	c := w.workload("backup", "backup-operator", "AWSBackup-"+hex(w.rng, 8))
	d := w.databases[w.rng.IntN(2)]
	name := fmt.Sprintf("%s-%s-%d", d.id, w.now.Format("20060102"), w.next())
	w.saveDatabase(c, d, name)
	w.after(6*3600, func() {
		w.emit(call{by: w.workload("backup", "backup-operator", "AWSBackup-expiry"), source: "rds", name: "DeleteDBSnapshot", params: obj("dBSnapshotIdentifier", name),
			response: obj("dBSnapshotIdentifier", name, "dBInstanceIdentifier", d.id, "status", "deleted", "dBSnapshotArn", w.arn("rds", "snapshot:"+name))})
	})
}
