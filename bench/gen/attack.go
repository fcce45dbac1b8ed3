package gen

func (w *world) scheduleAttack(g *Generator) {}
