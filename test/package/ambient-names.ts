/** What declarations take for granted: names that they neither declare nor import, and that ES2022 does not have. */
import path from 'node:path'
import ts from 'typescript'

const ES2022 = /^lib\.(es5|es6|es20(1\d|2[0-2]))(\.\w+)*\.d\.ts$/

/** @param folder whose declarations are looked at; those of others are not */
export function ambientNames(program: ts.Program, folder: string): string[] {
  const checker = program.getTypeChecker()
  const names = new Set<string>()
  const isOurs = (file: ts.SourceFile) => file.fileName.startsWith(`${folder}/`)
  const isStandard = (file: ts.SourceFile) =>
    program.isSourceFileDefaultLibrary(file) && ES2022.test(path.basename(file.fileName))

  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && !isMemberOfNamespace(node)) {
      const symbol = checker.getSymbolAtLocation(node)
      const files = symbol?.declarations?.map((declaration) => declaration.getSourceFile()) ?? []
      const isImported = symbol && symbol.flags & ts.SymbolFlags.Alias
      if (files.length > 0 && !isImported && !files.some((file) => isOurs(file) || isStandard(file)))
        names.add(ts.isPropertyAccessExpression(node.parent) ? node.parent.getText() : node.text)
    }
    ts.forEachChild(node, visit)
  }
  for (const file of program.getSourceFiles()) if (isOurs(file)) visit(file)
  return [...names].toSorted()
}

/** The namespace itself is what has to be there. */
function isMemberOfNamespace(node: ts.Identifier): boolean {
  return ts.isQualifiedName(node.parent) && node.parent.right === node
}
