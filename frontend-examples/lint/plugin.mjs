// A rule of our own: nothing that a call returns leaves an effect, a ref or a handler by accident. React takes what an effect or a
// ref returns for its clean-up, and a browser what some handlers return for an answer; and a browser may begin to return something
// where it returned nothing (`scrollTo` did). Braces or `void` keep it in.
const EFFECT = /^use(Layout|Insertion)?Effect$/;
const HANDLER = /^on[A-Z]|^ref$/;
const MESSAGE = 'What this call returns leaves the {{place}}: put braces around it, or `void` before it.';
const CLEAN_UP = 'An effect returns its clean-up as a function written out here, or nothing: a call may begin to return something else.';

const isFunction = (node) => node?.type === 'ArrowFunctionExpression' || node?.type === 'FunctionExpression';
const nameOf = (callee) => (callee.type === 'MemberExpression' ? callee.property.name : callee.name);

/** A call, wherever a value takes its way out of: `a ?? b()`, `a && b()`, `a ? b() : c()`, `await b()`, `b()!`, `(a, b())`. */
function isCall(node) {
  switch (node?.type) {
    case 'CallExpression':
    case 'NewExpression':
    case 'ImportExpression':
    case 'TaggedTemplateExpression':
      return true;
    case 'AwaitExpression':
      return isCall(node.argument);
    case 'ChainExpression':
    case 'TSNonNullExpression':
    case 'TSAsExpression':
    case 'ParenthesizedExpression':
      return isCall(node.expression);
    case 'LogicalExpression':
      return isCall(node.left) || isCall(node.right);
    case 'ConditionalExpression':
      return isCall(node.consequent) || isCall(node.alternate);
    case 'SequenceExpression':
      return isCall(node.expressions.at(-1));
    default:
      return false;
  }
}

const noReturnedCalls = {
  create(context) {
    function keepIn(node, place) {
      if (isFunction(node) && isCall(node.body)) context.report({ node: node.body, message: MESSAGE, data: { place } });
    }
    /** The effects that the walk is in, each with the functions inside it. */
    const functions = [];
    const enter = (node) => {
      functions.push(node);
    };
    const leave = () => {
      functions.pop();
    };
    const effects = new Set();
    return {
      CallExpression({ callee, arguments: [first, second] }) {
        const name = nameOf(callee);
        if (EFFECT.test(name)) {
          keepIn(first, 'effect');
          if (isFunction(first)) effects.add(first);
          else context.report({ node: first ?? callee, message: CLEAN_UP });
        }
        if (name === 'addEventListener') keepIn(second, 'handler');
      },
      AssignmentExpression({ left, right }) {
        if (left.type === 'MemberExpression' && /^on[a-z]+$/.test(left.property.name)) keepIn(right, 'handler');
      },
      JSXAttribute({ name, value }) {
        if (HANDLER.test(name.name) && value?.type === 'JSXExpressionContainer') keepIn(value.expression, name.name === 'ref' ? 'ref' : 'handler');
      },
      ArrowFunctionExpression: enter,
      'ArrowFunctionExpression:exit': leave,
      FunctionExpression: enter,
      'FunctionExpression:exit': leave,
      FunctionDeclaration: enter,
      'FunctionDeclaration:exit': leave,
      ReturnStatement(node) {
        if (node.argument === null || isFunction(node.argument) || !effects.has(functions.at(-1))) return;
        context.report({ node, message: CLEAN_UP });
      },
    };
  },
};

export default { meta: { name: 'voicehive' }, rules: { 'no-returned-calls': noReturnedCalls } };
