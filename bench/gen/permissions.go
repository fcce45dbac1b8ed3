package gen

import "fmt"

// trust is the policy document that lets a service assume a role. In requests policies are text.
func trust(service string) string {
	return string(obj("Version", "2012-10-17", "Statement", list(obj("Effect", "Allow", "Principal", obj("Service", service), "Action", "sts:AssumeRole"))))
}

func (w *world) newRole(c *caller, name, service string) {
	r := w.role(name, "/")
	w.emit(call{by: c, source: "iam", name: "CreateRole", params: obj("roleName", name, "path", "/", "assumeRolePolicyDocument", trust(service), "tags", list(obj("key", "team", "value", "web"))),
		response: obj("role", obj("path", "/", "roleName", name, "roleId", r.id, "arn", w.roleARN(r), "createDate", w.now.Format(stampWords)))})
	w.after(2, func() {
		w.emit(call{by: c, source: "iam", name: "AttachRolePolicy", params: obj("roleName", name, "policyArn", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")})
	})
	w.after(4, func() {
		w.emit(call{by: c, source: "iam", name: "PutRolePolicy", params: obj("roleName", name, "policyName", "own", "policyDocument",
			string(obj("Version", "2012-10-17", "Statement", list(obj("Effect", "Allow", "Action", []string{"s3:GetObject", "s3:PutObject"}, "Resource", "arn:aws:s3:::"+w.bucket()+"/*")))))})
	})
}

// roleForService makes a role, and removes it later if it was a trial.
func roleForService(w *world) {
	name := fmt.Sprintf("job-%d", w.next())
	w.newRole(w.pipeline(), name, pick(w.rng, "ecs-tasks.amazonaws.com", "glue.amazonaws.com", "lambda.amazonaws.com"))
	if w.chance(50) {
		w.after(3600+w.rng.IntN(2*3600), func() { w.removeRole(name) })
	}
}

func (w *world) removeRole(name string) {
	c := w.pipeline()
	w.emit(call{by: c, source: "iam", name: "DeleteRolePolicy", params: obj("roleName", name, "policyName", "own")})
	w.after(1, func() {
		w.emit(call{by: c, source: "iam", name: "DetachRolePolicy", params: obj("roleName", name, "policyArn", "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")})
	})
	w.after(2, func() { w.emit(call{by: c, source: "iam", name: "DeleteRole", params: obj("roleName", name)}) })
}

// keyRotation is a user who renews the own key: a new one, then the old one is switched off and deleted.
func keyRotation(w *world) {
	u := w.users[1]
	c, old := w.byKey(u), u.key
	fresh := longKey(w.rng)
	w.createKey(c, u.name, fresh)
	w.after(300, func() {
		u.key = fresh
		w.emit(call{by: w.byKey(u), source: "iam", name: "UpdateAccessKey", params: obj("userName", u.name, "accessKeyId", old, "status", "Inactive")})
	})
	w.after(900, func() {
		w.emit(call{by: w.byKey(u), source: "iam", name: "DeleteAccessKey", params: obj("userName", u.name, "accessKeyId", old)})
	})
}

func (w *world) createKey(c *caller, user, key string) {
	w.emit(call{by: c, source: "iam", name: "CreateAccessKey", params: obj("userName", user),
		response: obj("accessKey", obj("userName", user, "accessKeyId", key, "status", "Active", "createDate", w.now.Format(stampWords)))})
}

func (w *world) createUser(c *caller, name string) {
	w.emit(call{by: c, source: "iam", name: "CreateUser", params: obj("userName", name),
		response: obj("user", obj("path", "/", "userName", name, "userId", userID(w.rng), "arn", w.iam("user/"+name), "createDate", w.now.Format(stampWords)))})
}

// newColleague is an administrator who makes a user, puts it into a group, and tags it.
func newColleague(w *world) {
	c := w.admin()
	name := fmt.Sprintf("%s-%d", pick(w.rng, names...), w.next())
	w.createUser(c, name)
	w.after(5, func() {
		w.emit(call{by: c, source: "iam", name: "AddUserToGroup", params: obj("groupName", "readers", "userName", name)})
	})
	w.after(8, func() {
		w.emit(call{by: c, source: "iam", name: "TagUser", params: obj("userName", name, "tags", list(obj("key", "team", "value", "office")))})
	})
}
